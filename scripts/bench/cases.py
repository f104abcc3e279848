"""What is measured. In each case the contenders are asked by turns, in short rounds."""

import itertools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from random import Random
from statistics import median
from typing import Any

import _memory
from _children import open_child
from _serving import CannotRun
from attrs import frozen
from bench.common import Progress
from bench.contenders import (
    Body,
    Contender,
    Field,
    Server,
    open_limit,
    open_server,
    request,
)
from bench.round import Round
from bench.series import Figure, Series

BY_HAND = "by hand"
WHOLE = "whole"
STREAMED = "streamed"
DISABLED = "enabled = false"
NEVER = 'reuse = "never"'
OFF = "keep_conversations = false"
FIRST = "a first turn"

PACE = 50.0  # tokens a second
_PAUSE = 0.05  # seconds; a reset takes less
_CALLS = 10  # between two questions
_FIRST = 0.3  # seconds, to a model's first token
STREAMS = 16  # at once
EVENTS = 200  # deltas of a long answer
STARTED = "processes started meanwhile"
MIX = 20  # system prompts
MANY = 200  # and these
WAITERS = (1, 10, 10_000)

Found = list[Series | Figure]


@frozen
class Plan:
    """How much is measured: a quarter of an hour, or hardly anything, to try the script itself."""

    rounds: int = 5
    turns: int = 12  # of a round that is counted in turns
    seconds: float = 1.5  # of a round that is counted in time
    processes: tuple[int, ...] = (1, 2, 4)
    clients: tuple[int, ...] = (1, 4, 16)
    lengths: tuple[int, ...] = (1, 10, 100)  # of a conversation, in turns of the user
    sizes: tuple[int, ...] = (1_000, 100_000, 5_000_000)  # of a text
    chat: int = 100  # turns
    mixed: tuple[int, ...] = (4, 10)  # processes
    memory_turns: int = 10_000
    pool_turns: int = 20_000


QUICK = Plan(1, 2, 0.3, (1, 2), (1, 4), (1, 3), (1_000, 50_000), 4, (2,), 40, 500)


@frozen
class Bench:
    """What a case has to work with."""

    field: Field
    plan: Plan
    progress: Progress

    def rounds(self, case: str) -> Iterator[int]:
        """The numbers of the rounds; each is told."""
        for number in range(self.plan.rounds):
            self.progress.step(f"{case}: round {number + 1} of {self.plan.rounds}")
            yield number


@frozen
class Entrant:
    """A contender in a case, and the round that it has in each round."""

    series: Series
    contender: Contender
    round_: Round

    async def compete(self) -> None:
        """One round, and what it cost the server."""
        server = self.contender if isinstance(self.contender, Server) else None
        before = server.cpu() if server else 0.0
        result = await self.contender.round_(self.round_)
        self.series.add(result)
        if server and result["whole"]:
            self.series.cpu.append((server.cpu() - before) / len(result["whole"]))


async def compete(bench: Bench, entrants: list[Entrant]) -> Found:
    """All rounds of a case: each has its round, in an order that turns around."""
    for entrant in entrants:
        warm = Round(entrant.round_.at_once, entrant.round_.bodies, turns=2)
        await entrant.contender.round_(warm)
    for number in bench.rounds(entrants[0].series.case):
        for entrant in entrants[:: 1 if number % 2 else -1]:
            await entrant.compete()
    return [entrant.series for entrant in entrants]


async def latency(bench: Bench) -> Found:
    """One client, one process: what the server adds to an answer."""
    turns = bench.plan.turns
    async with open_limit(bench.field, 1) as limit, open_server(bench.field, "ours", 1) as ours:
        found = []
        for name, text in {"short": "Hello.", "long": f"[[standin words={EVENTS}]]"}.items():
            # By hand, a turn begins when the process is clean again: so it is to be here.
            whole = Round(1, [request(text)], turns=turns, pause=_PAUSE)
            streamed = Round(1, [request(text, stream=True)], turns=turns, pause=_PAUSE)
            case = f"latency, {name} answers"
            found += await compete(
                bench,
                [
                    Entrant(Series(case, BY_HAND), limit, whole),
                    Entrant(Series(case, WHOLE), ours, whole),
                    Entrant(Series(case, STREAMED), ours, streamed),
                ],
            )
    return found


async def throughput(bench: Bench) -> Found:
    """Saturated: so many clients on so many processes."""
    found = []
    for processes in bench.plan.processes:
        async with (
            open_limit(bench.field, processes) as limit,
            open_server(bench.field, "ours", processes) as ours,
        ):
            case = f"throughput, {processes} process{'es' * (processes > 1)}"
            seconds = bench.plan.seconds
            entrants = [
                Entrant(
                    Series(case, BY_HAND), limit, Round(processes, [request()], seconds=seconds)
                )
            ]
            for clients, streams in itertools.product(bench.plan.clients, (False, True)):
                name = f"{STREAMED if streams else WHOLE}, {of_clients(clients)}"
                round_ = Round(clients, [request(stream=streams)], seconds=seconds)
                entrants.append(Entrant(Series(case, name), ours, round_))
            found += await compete(bench, entrants)
    return found


def of_clients(count: int) -> str:
    """As it is called."""
    return f"{count} client{'s' * (count > 1)}"


async def modes(bench: Bench) -> Found:
    """What keeping and reusing processes is worth."""
    settings: dict[str, dict[str, Any]] = {
        "pooled": {},
        NEVER: {"reuse": "never"},
        DISABLED: {"enabled": False},
    }
    found = []
    async with AsyncExitStack() as stack:
        servers = {
            name: await stack.enter_async_context(open_server(bench.field, name, 2, **item))
            for name, item in settings.items()
        }
        for case, clients, round_ in (
            ("modes, 1 client", 1, {"turns": max(2, bench.plan.turns // 3)}),
            ("modes, 4 clients", 4, {"seconds": 4 * bench.plan.seconds}),
        ):
            found += await compete(
                bench,
                [
                    Entrant(Series(case, name), server, Round(clients, [request()], **round_))
                    for name, server in servers.items()
                ],
            )
    return found


async def prompts(bench: Bench) -> Found:
    """One client, one process: the same system prompt, one that it knows, a new one each time."""
    turns = max(3, bench.plan.turns // 2)
    same, known, new = "the same", "known", "new each time"
    case = "prompts, 1 client"
    found = {
        name: {kind: Series(case, f"{kind}{name}") for kind in (same, known, new)}
        for name in ("", f", {BY_HAND}")
    }
    unpooled = Series(case, DISABLED)
    numbers = itertools.count()

    async with (
        open_limit(bench.field, 1) as limit,
        open_server(bench.field, "ours", 1) as ours,
        open_server(bench.field, DISABLED, 1, enabled=False) as disabled,
    ):
        for number in bench.rounds(case):
            pairs = [(limit, found[f", {BY_HAND}"]), (ours, found[""])]
            for contender, series in pairs[:: 1 if number % 2 else -1]:
                for kind, bodies in {
                    same: [of_prompt("one")],
                    known: [of_prompt("one"), of_prompt("two")],
                    new: [of_prompt(next(numbers)) for _ in range(turns)],
                }.items():
                    warm = bodies if kind != new else [of_prompt(next(numbers))]
                    await contender.round_(Round(1, warm, turns=len(warm), pause=_PAUSE))
                    round_ = Round(1, bodies, turns=turns, pause=_PAUSE)
                    series[kind].add(await contender.round_(round_))
            few = max(2, turns // 2)
            unpooled.add(await disabled.round_(Round(1, [of_prompt("one")], turns=few)))
    return [*found[""].values(), *found[f", {BY_HAND}"].values(), unpooled]


async def mix(bench: Bench) -> Found:
    """Four clients that have many system prompts, at random."""
    found: Found = []
    dice = Random(MIX)  # noqa: S311 - no secret
    for processes in bench.plan.mixed:
        case = f"mix, {processes} processes, 4 clients"
        async with (
            open_limit(bench.field, processes) as limit,
            open_server(bench.field, "ours", processes, max_requests=100_000) as ours,
        ):
            entrants = []
            for count in (1, MIX, MANY):
                bodies = [of_prompt(f"m{dice.randrange(count)}") for _ in range(20 * MIX)]
                name = f"{count} prompt{'s' * (count > 1)}"
                for contender, at_once, ending in (
                    (limit, processes, f", {BY_HAND}"),
                    (ours, 4, ""),
                ):
                    round_ = Round(at_once, bodies, seconds=2 * bench.plan.seconds)
                    entrants.append(Entrant(Series(case, f"{name}{ending}"), contender, round_))
            await ours.settled()
            before = (await ours.settled())["connections_created"]
            found += await compete(bench, entrants)
            boots = (await ours.settled())["connections_created"] - before
            found.append(Figure(case, STARTED, boots, ""))
    return found


def of_prompt(name: object) -> Body:
    """A request with a system prompt of this name."""
    return request(system=f"You are number {name}. " + "Be brief and true. " * 40)


async def history(bench: Bench) -> Found:
    """Long conversations, long texts, many tools."""
    plan = bench.plan
    bodies = {
        f"{length} turn{'s' * (length > 1)}": conversation(length) for length in plan.lengths
    }
    for size in plan.sizes:
        bodies[f"{size // 1000:,} kB"] = request("[[standin words=5]]" + " word" * (size // 5))
    bodies["50 tools"] = request(tools=[tool(number) for number in range(50)])
    found = []
    async with open_limit(bench.field, 1) as limit, open_server(bench.field, "ours", 1) as ours:
        for name, body in bodies.items():
            round_ = Round(1, [body], turns=max(2, plan.turns // 4), pause=_PAUSE)
            case = f"history, {name}"
            found += await compete(
                bench,
                [
                    Entrant(Series(case, BY_HAND), limit, round_),
                    Entrant(Series(case, WHOLE), ours, round_),
                ],
            )
    return found


async def chats(bench: Bench) -> Found:
    """Conversations that go on: the next request of a long one, an agent's loop, many by turns."""
    plan = bench.plan
    at, turns = plan.chat, max(3, plan.turns // 2)
    case = f"chat, turn {at}"
    first = Round(1, [request()], turns=turns, pause=_PAUSE)
    off = {"keep_conversations": False}
    async with (
        open_limit(bench.field, 1) as limit,
        open_server(bench.field, "ours", 1) as ours,
        open_server(bench.field, OFF, 1, **off) as without,
    ):
        found = [Series(case, name) for name in (WHOLE, BY_HAND, OFF, FIRST)]
        loop = [Series(f"an agent's loop, turn {at}", name) for name in (WHOLE, FIRST)]
        for number in bench.rounds(case):
            begin = at + number * turns
            following = [conversation(begin + step) for step in range(turns)]
            for series, contender in zip(found[:3], (ours, limit, without), strict=True):
                await contender.round_(Round(1, [conversation(begin - 1)], turns=1))
                series.add(await contender.round_(Round(1, following, turns=turns, pause=_PAUSE)))
            found[3].add(await ours.round_(first))
            steps = [agents_loop(begin, step) for step in range(1, _CALLS + 1)]
            await ours.round_(Round(1, [agents_loop(begin, 0)], turns=1))
            loop[0].add(await ours.round_(Round(1, steps, turns=_CALLS, pause=_PAUSE)))
            loop[1].add(await ours.round_(first))
    return [*found, *loop, *await _many_chats(bench)]


async def _many_chats(bench: Bench) -> Found:
    """By turns, over a third as many processes."""
    count = 3 * bench.plan.mixed[-1]
    case = f"{count} chats by turns"
    async with open_server(bench.field, "ours", bench.plan.mixed[-1]) as ours:
        series = Series(case, WHOLE)
        for turn in range(1, 2 + 2 * bench.plan.rounds):
            bench.progress.step(f"{case}: turn {turn}")
            bodies = [conversation(turn, f"chat {number}") for number in range(count)]
            series.add(await ours.round_(Round(1, bodies, turns=count)))
        stats = await ours.settled()
    kept, written = stats["messages_kept"], stats["messages_replayed"]
    share = 100 * kept / max(1, kept + written)
    return [series, Figure(case, "messages that stood already", share, "%")]


def agents_loop(length: int, calls: int) -> Body:
    """A long conversation, and so many calls behind its last question."""
    body = conversation(length)
    for number in range(calls):
        use = {"type": "tool_use", "id": f"t{number}", "name": "tool_0", "input": {"a": "b"}}
        result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": "done"}
        body["messages"].append({"role": "assistant", "content": [use]})
        body["messages"].append({"role": "user", "content": [result]})
    return {**body, "tools": [tool(0)]}


def conversation(length: int, name: str = "") -> Body:
    """A request with so many questions, all but the last answered."""
    messages = []
    for number in range(length - 1):
        messages.append({"role": "user", "content": f"Question {name} {number}?"})
        messages.append({"role": "assistant", "content": f"Answer {number}."})
    last = {"role": "user", "content": f"Question {name} {length - 1}?"}
    return {**request(), "messages": [*messages, last]}


def tool(number: int) -> dict[str, Any]:
    """One that does nothing."""
    properties = {name: {"type": "string", "description": f"The {name}."} for name in "abcd"}
    schema = {"type": "object", "properties": properties}
    return {"name": f"tool_{number}", "description": "Does it.", "input_schema": schema}


async def pace(bench: Bench) -> Found:
    """Streams at the pace of a model: whether each event comes when it should."""
    case = f"pace, {STREAMS} streams"
    text = f"[[standin words={EVENTS // 2} first={_FIRST} rate={PACE:g}]]"
    round_ = Round(STREAMS, [request(text, stream=True)], turns=1, wants_deltas=True)
    async with (
        open_limit(bench.field, STREAMS) as limit,
        open_server(bench.field, "ours", STREAMS) as ours,
    ):
        baseline = Entrant(Series(case, BY_HAND), limit, round_)
        return await compete(bench, [baseline, Entrant(Series(case, STREAMED), ours, round_)])


async def pool(bench: Bench) -> Found:
    """The pool alone, on workers in memory."""
    found: Found = []
    turns: dict[int, list[float]] = {waiters: [] for waiters in WAITERS}
    checkpoints = []
    async with open_child("bench/pool_alone.py") as child:
        for _ in bench.rounds("pool"):
            for waiters in WAITERS:
                result = await child.ask([waiters, bench.plan.pool_turns])
                turns[waiters].append(1e6 * result["seconds"])
                checkpoints.append(1e6 * result["checkpoint"])
    for waiters, times in turns.items():
        name = f"a turn, {waiters:,} waiter{'s' * (waiters > 1)}"
        found.append(Figure("pool", name, median(times), "µs"))
    found.append(Figure("pool", "for scale: a checkpoint of Trio", median(checkpoints), "µs"))
    return found


async def memory(bench: Bench) -> Found:
    """What the server and its processes hold, at rest and after many turns."""
    turns = bench.plan.memory_turns
    found: Found = []

    def note(name: str, size: int) -> None:
        found.append(Figure("memory", name, size / 1e6, "MB"))

    async with open_server(bench.field, "ours", 2) as ours:
        note("server at rest", ours.rss())
        (first, _) = (await ours.settled())["workers"]
        note("a process at rest", _memory.resident(first["pid"]))
        done = 0
        for upto in (turns // 5, turns // 2, turns):
            while done < upto:
                some = min(500, upto - done)
                streams = bool(done // 500 % 2)
                round_ = Round(4, [request(stream=streams)], turns=max(1, some // 4))
                result = await ours.round_(round_)
                if result["failures"]:
                    raise CannotRun(f"{ours.name}: {', '.join(result['failures'])}")
                done += len(result["whole"])
                bench.progress.step(f"memory: {done:,} of {turns:,} turns")
            await ours.settled()
            note(f"server after {upto:,} turns", ours.rss())
        sizes = [_memory.resident(worker["pid"]) for worker in (await ours.settled())["workers"]]
        note("the largest process then", max(sizes))
    return found


Case = Callable[[Bench], Awaitable[Found]]

CASES: dict[str, Case] = {
    "latency": latency,
    "throughput": throughput,
    "modes": modes,
    "prompts": prompts,
    "mix": mix,
    "history": history,
    "chats": chats,
    "pace": pace,
    "pool": pool,
    "memory": memory,
}
