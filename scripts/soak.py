#!/usr/bin/env python3
"""Show that callers are kept apart: many of them, many prompts, leavers and faults, at random.

A server with the real CLI answers callers who each have a token and a word of their own, in front
of a stand-in that this script listens to: each request that reaches it must have exactly the
prompt that was meant, and no word of another caller. Some callers leave at a random moment, and
now and then one of the server's own processes is killed or stopped.

With --chats, callers go on with conversations that branch and come back: all of each has to reach
the API, and nothing else. With --memory: one process instead, which is given a new prompt each
time, and what it holds.
"""

import argparse
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

if find_spec("trioproxy") is None:
    import _fresh_clone

    _fresh_clone.install_and_run_again()

import httpx
import orjson
import psutil
import trio
from _serving import CannotRun, OwnServer, own_server, run
from attrs import define, field, frozen
from bench.common import positive

from trioproxy.standin import Record, RecordedRequest, StandIn, serve_standin

_MODEL = "claude-haiku-4-5"
_TELL = 5.0  # seconds between two lines of progress
_SETTLE = 30.0
_OWN_SYSTEM = 2  # blocks of the CLI's own before the prompt
_NAMES = " ".join(f"${{user_config.p{slot}}}" for slot in range(16))


@frozen
class Caller:
    """Somebody with a token, whose words nobody else may see."""

    name: str
    token: str
    secret: str

    def prompt(self, number: int) -> str:
        """Each third is everybody's; the others have the caller's own word in them."""
        whose = "everybody" if number % 3 == 0 else self.secret
        return f"Prompt {number} of {whose}. {_NAMES} $& " + f"line {number}\n" * (number % 20)


@define
class Outcome:
    """What has happened, and what must not."""

    sent: int = 0
    answered: int = 0
    left: int = 0
    errors: Counter[str] = field(factory=Counter)
    faults: Counter[str] = field(factory=Counter)
    arrived: int = 0
    wrong: list[str] = field(factory=list)
    pids: set[int] = field(factory=set)
    largest: int = 0

    def is_wrong(self, what: str) -> None:
        """Something must not be so: the first ones are kept."""
        if len(self.wrong) < 20:  # noqa: PLR2004 - enough to look at
            self.wrong.append(what)


class Watched(Record):
    """A record that has each request looked at as it comes, and keeps none."""

    def __init__(self, look: Callable[[RecordedRequest], None]) -> None:
        super().__init__(max_requests=1)
        self._look = look

    def add(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Any = None,  # noqa: ANN401 - as the record has it
        body: object = None,
    ) -> RecordedRequest:
        """Look at it."""
        request = super().add(method, path, query=query, headers=headers, body=body)
        if request.is_messages:
            self._look(request)
        return request


@define
class Soak:
    """One run: its callers, what they do, and what is looked at."""

    options: argparse.Namespace
    callers: list[Caller]
    dice: Random
    outcome: Outcome = field(factory=Outcome)
    chats: dict[tuple[str, int], list[str]] = field(factory=dict)

    def look(self, request: RecordedRequest) -> None:
        """Whether a request to the API has its own caller's words, and no others."""
        self.outcome.arrived += 1
        text = orjson.dumps([request.body, dict(request.headers)]).decode()
        seen = [caller for caller in self.callers if caller.secret in text]
        if len(seen) != 1:
            self.outcome.is_wrong(f"{len(seen)} callers' words in one request")
            return
        question = request.body["messages"][-1]["content"][-1]["text"]
        number = int(question.split("prompt ")[1].split()[0])
        texts = [message["content"][-1]["text"] for message in request.body["messages"]]
        if orjson.dumps(texts[:-1]).decode() not in question:
            self.outcome.is_wrong(f"{seen[0].name}'s conversation arrived as {texts!r:.300}")
        prompts = [block["text"] for block in request.body["system"][_OWN_SYSTEM:]]
        if prompts != [seen[0].prompt(number)]:
            self.outcome.is_wrong(f"{seen[0].name}'s prompt {number} arrived as {prompts!r:.200}")

    async def ask(self, http: httpx.AsyncClient, caller: Caller, number: int) -> None:
        """One request of a caller, whole or streamed, to its end or not."""
        prompt = self.dice.randrange(self.options.prompts)
        mark = f"{caller.secret} request {number}"
        leaves = self.dice.random() < self.options.leavers
        slow = " [[standin words=40 rate=200]]" if leaves else ""
        history = self.history(caller, prompt, number)
        words = f"{mark} prompt {prompt} {slow} behind {orjson.dumps(history).decode()}"
        messages = [
            {"role": "assistant" if at % 2 else "user", "content": each}
            for at, each in enumerate([*history, words])
        ]
        body = {
            "model": _MODEL,
            "max_tokens": 400,
            "system": caller.prompt(prompt),
            "messages": messages,
            "stream": self.dice.random() < 0.3,  # noqa: PLR2004
        }
        self.outcome.sent += 1
        with trio.move_on_after(self.dice.uniform(0, 0.3) if leaves else 120) as scope:
            try:
                answer = await http.post("/v1/messages", json=body, headers=_token(caller))
            except httpx.HTTPError as error:
                self.outcome.errors[type(error).__name__] += 1
                return
            self._judge(answer, caller, mark, is_echo=not leaves)
        if scope.cancelled_caught:
            self.outcome.left += 1

    def history(self, caller: Caller, prompt: int, number: int) -> list[str]:
        """What was said before: of a fifth something, or of a conversation that goes on."""
        if not self.options.chats:
            has_some = self.dice.random() < 0.2  # noqa: PLR2004
            return [f"before {caller.secret} {number}", "yes"] if has_some else []
        known = self.chats.setdefault((caller.name, prompt), [])
        match self.dice.randrange(8):
            case 0:
                del known[self.dice.randrange(0, len(known) + 1, 2) :]
            case 1:
                known[-1:] = [f"edited {number}"] if known else []
            case _:
                pass
        found = list(known)
        if len(known) < 40:  # noqa: PLR2004 - long enough
            known.extend([f"{caller.secret} said {number}", f"answer {number}"])
        return found

    def _judge(self, answer: httpx.Response, caller: Caller, mark: str, *, is_echo: bool) -> None:
        others = [other for other in self.callers if other is not caller]
        if any(other.secret in answer.text for other in others):
            self.outcome.is_wrong(f"{caller.name} was answered with another caller's words")
        if answer.is_success and "event: error" not in answer.text:
            self.outcome.answered += 1
            text = answer.text.replace('"}}\n\nevent: content_block_delta', "")
            if is_echo and "event: " not in text and mark not in text:
                self.outcome.is_wrong(f"{caller.name}'s answer is to another question")
        else:
            kind = answer.json()["error"]["type"] if not answer.is_success else "in the stream"
            self.outcome.errors[f"{answer.status_code} {kind}"] += 1

    async def be_caller(
        self, http: httpx.AsyncClient, caller: Caller, numbers: "list[int]"
    ) -> None:
        """Ask one thing after the other, until all have been asked."""
        while numbers:
            await self.ask(http, caller, numbers.pop())

    async def strike(self, http: httpx.AsyncClient, server: OwnServer) -> None:
        """Kill or stop one of the server's own processes now and then."""
        while True:
            await trio.sleep(self.dice.uniform(0.5, 1.5) / max(self.options.faults, 0.001))
            pid = self.dice.choice([*(await self.pids(http)), 0])
            if pid in _below(server.process.pid):
                number = self.dice.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP])
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
                    self.outcome.faults[number.name] += 1

    async def pids(self, http: httpx.AsyncClient) -> list[int]:
        """The processes that there are; their size is noted."""
        stats = await _stats(http, self.callers[0])
        workers = stats["workers"]
        found = [worker["pid"] for worker in workers if worker["pid"]]
        self.outcome.pids.update(found)
        sizes = [self.outcome.largest, *(worker["rss"] or 0 for worker in workers)]
        self.outcome.largest = max(sizes)
        return found

    async def tell(self, http: httpx.AsyncClient) -> None:
        """A line of progress every few seconds."""
        begun = trio.current_time()
        while True:
            await trio.sleep(_TELL)
            await self.pids(http)
            sent, errors = self.outcome.sent, sum(self.outcome.errors.values())
            rate = sent / (trio.current_time() - begun)
            print(
                f"  {sent:,} of {self.options.requests:,} requests, {rate:.0f} a second, "
                f"{errors} errors, {dict(self.outcome.faults) or 'no fault'}"
            )

    async def settle(self, http: httpx.AsyncClient) -> dict[str, Any]:
        """The pool, once nothing moves any more."""
        with trio.fail_after(_SETTLE):
            while True:
                stats = await _stats(http, self.callers[0])
                if not (stats["in_use_connections"] or stats["booting"] or stats["waiting"]):
                    return stats
                await trio.sleep(0.1)


def _token(caller: Caller) -> dict[str, str]:
    return {"authorization": f"Bearer {caller.token}"}


async def _stats(http: httpx.AsyncClient, caller: Caller) -> dict[str, Any]:
    answer = await http.get("/pool/stats", headers=_token(caller))
    stats: dict[str, Any] = answer.json()["stats"]
    return stats


def _below(pid: int) -> set[int]:
    return {child.pid for child in psutil.Process(pid).children(recursive=True)}


@asynccontextmanager
async def _server(
    look: Callable[[RecordedRequest], None], callers: list[Caller], **pool: object
) -> AsyncGenerator[OwnServer]:
    """A server of this script's own, whose API is the stand-in here; its home is nobody's."""
    standin = StandIn()
    standin.record = Watched(look)
    with TemporaryDirectory(prefix="trioproxy-soak-", ignore_cleanup_errors=True) as home:
        async with trio.open_nursery() as nursery:
            url: str = await nursery.start(serve_standin, standin)
            config = Path(home) / "ccproxy.toml"
            tokens = "\n".join(f'{caller.name} = "{caller.token}"' for caller in callers)
            config.write_text(f"[auth.tokens]\n{tokens}\n")
            own = {
                "CCPROXY_CONFIG": str(config),
                "HOME": home,
                "ANTHROPIC_BASE_URL": url,
                "ANTHROPIC_API_KEY": "soak",
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "LOGGING__REQUESTS": "false",
                "POOL_SETTINGS__BINDING": "any",
                **{f"POOL_SETTINGS__{name.upper()}": str(value) for name, value in pool.items()},
            }
            async with own_server(own) as server:
                yield server
            nursery.cancel_scope.cancel()


def _callers(count: int, dice: Random) -> list[Caller]:
    return [
        Caller(f"caller{number}", f"{dice.getrandbits(256):064x}", f"w{dice.getrandbits(64):016x}")
        for number in range(count)
    ]


async def soak(options: argparse.Namespace) -> int:
    """Ask as often as was wanted, and say what came of it."""
    dice = Random(options.seed)  # noqa: S311 - what is random has to be repeatable
    it = Soak(options, _callers(options.callers, dice), dice)
    print(f"{options.requests:,} requests, {options.callers} callers, seed {options.seed}")
    most = 10 if options.chats else 4
    sizes = {"min_size": 4, "max_size": most, "health_timeout": 2, "health_check_interval": 5}
    waits = {"acquire_timeout": 30, "max_waiting": 1000}
    async with _server(it.look, it.callers, **sizes, **waits) as server:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(
            base_url=server.url, timeout=150, trust_env=False, limits=limits
        ) as http:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(it.tell, http)
                if options.faults:
                    nursery.start_soon(it.strike, http, server)
                numbers = list(range(options.requests))
                async with trio.open_nursery() as asking:
                    for caller in it.callers:
                        asking.start_soon(it.be_caller, http, caller, numbers)
                nursery.cancel_scope.cancel()
            stats = await it.settle(http)
            await it.pids(http)
    left_over = [pid for pid in it.outcome.pids if psutil.pid_exists(pid)]
    return _report(it.outcome, stats, left_over)


def _report(outcome: Outcome, stats: dict[str, Any], left_over: list[int]) -> int:
    created = stats["connections_created"] - stats["connections_destroyed"]
    if created != stats["total_connections"] or stats["in_use_connections"]:
        outcome.is_wrong(f"the counters do not add up: {stats}")
    if left_over:
        outcome.is_wrong(f"processes outlive the server: {left_over}")
    if outcome.answered + outcome.left + sum(outcome.errors.values()) != outcome.sent:
        outcome.is_wrong("a request ended in no way that is known")
    rows = {
        "requests": f"{outcome.sent:,}",
        "answered": f"{outcome.answered:,}",
        "left": f"{outcome.left:,}",
        "errors": dict(outcome.errors) or "none",
        "faults": dict(outcome.faults) or "none",
        "requests to the API": f"{outcome.arrived:,}",
        "processes started": stats["connections_created"],
        "why they ended": stats["retirements"],
        "tried again": stats["retries"],
        "messages kept, written": f"{stats['messages_kept']:,}, {stats['messages_replayed']:,}",
        "largest process": f"{outcome.largest / 1e6:,.0f} MB",
        "wrong": len(outcome.wrong),
    }
    for name, value in rows.items():
        print(f"{name:<22}{value}")
    for what in outcome.wrong:
        print(f"WRONG  {what}")
    return int(bool(outcome.wrong))


async def memory(options: argparse.Namespace) -> int:
    """Give one process a new prompt each time, and say what it holds."""
    dice = Random(options.seed)  # noqa: S311 - what is random has to be repeatable
    (caller,) = _callers(1, dice)
    single = {"min_size": 1, "max_size": 1, "max_requests": 10**9, "max_rss": 10**15}
    sizes: list[float] = []
    async with (
        _server(lambda _request: None, [caller], **single) as server,
        httpx.AsyncClient(base_url=server.url, timeout=150, trust_env=False) as http,
    ):
        for number in range(options.rebinds + 1):
            body = {
                "model": _MODEL,
                "max_tokens": 400,
                "system": f"Prompt {number}. " + f"{dice.getrandbits(64):016x} " * 120,
                "messages": [{"role": "user", "content": "Hello."}],
            }
            answer = await http.post("/v1/messages", json=body, headers=_token(caller))
            answer.raise_for_status()
            if number % 100 == 0:
                (worker,) = (await _stats(http, caller))["workers"]
                sizes.append((worker["rss"] or 0) / 1e6)
                print(f"  {number:>6,} prompts  {sizes[-1]:>6.0f} MB")
    print(f"growth: {_slope(sizes[len(sizes) // 4 :]) * 10:.1f} MB for each 1,000 prompts")
    return 0


def _slope(values: list[float]) -> float:
    """Of the line that fits best."""
    middle = (len(values) - 1) / 2
    mean = sum(values) / len(values)
    above = sum((at - middle) * (value - mean) for at, value in enumerate(values))
    return above / sum((at - middle) ** 2 for at in range(len(values)))


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("must be from 0 to 1")
    return value


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--requests", type=positive, default=10_000, help="how many (default: %(default)s)")
    add("--prompts", type=positive, default=60, help="of each caller (default: %(default)s)")
    add("--callers", type=positive, default=8, help="how many (default: %(default)s)")
    add("--leavers", type=_share, default=0.1, help="share that leaves (default: %(default)s)")
    add("--faults", type=_share, default=0.3, help="a second (default: %(default)s)")
    add("--seed", type=int, default=1, help="of all that is random (default: %(default)s)")
    add("--chats", action="store_true", help="have conversations go on")
    add("--memory", action="store_true", help="measure what one process holds instead")
    add("--rebinds", type=positive, default=2_000, help="prompts then (default: %(default)s)")
    return parser.parse_args()


async def main() -> int:
    """Do what was asked for."""
    options = parse_options()
    try:
        return await (memory if options.memory else soak)(options)
    except httpx.HTTPError as error:
        raise CannotRun(f"The server does not answer: {error!r}") from error


if __name__ == "__main__":
    sys.exit(run(partial(main)))
