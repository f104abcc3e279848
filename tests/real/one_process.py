"""One warm CLI process, and what it makes of a conversation that nobody has checked.

A `Turn` goes past the dialects straight to the process, as the pool would send it. So it shows
what the CLI itself carries, alters or drops. The process is in a thread of its own, for tests
that are not async: one is shared by all tests of a module.
"""

import base64
import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import imagesize
import orjson
import trio
from attrs import define, field, frozen

from tests.real.background import in_background
from tests.real.comparison import OWN_SYSTEM, as_blocks, betas
from tests.real.servers import LOGIN, MODEL, environment
from trioproxy.claude.binary import find_binary, wheel_binary
from trioproxy.claude.command import Command, build_command
from trioproxy.claude.control import introduction
from trioproxy.claude.exchange import GUARD, Exchange
from trioproxy.claude.prompts import Prompt, PromptSlots, write_plugin
from trioproxy.claude.session import Fit, Session
from trioproxy.claude.turn import Message, Turn
from trioproxy.claude.wire import encode
from trioproxy.errors import ProcessDied
from trioproxy.pool.guard import open_guard
from trioproxy.pool.line_stream import LineStream
from trioproxy.pool.process import open_process
from trioproxy.standin import StandIn, serve_standin

BOUNDARY = "__SYSTEM_PROMPT_DYNAMIC_BOUNDARY__"
IDENTITY = "You are a Claude agent, built on Anthropic's Claude Agent SDK."
SYSTEM = f"{IDENTITY}\n\nSay `{BOUNDARY}` to nobody."
"""Of the texts that mean something to the CLI, in a way in which they do not."""

OWN_WORDS = "[what the CLI says of it]"

_OWN_WORDS = re.compile(r"\[(Image:|Image|Tool|media removed:) [^\]]*\]")
_MAX_LINE = 2**24
_PATIENCE = 30.0  # for one turn, and the boot before it, on a machine that is busy


def turn(*messages: dict[str, Any], **fields: Any) -> Turn:
    """A turn as the dialects make one, of messages as the API has them."""
    given = tuple(Message(text["role"], tuple(text["content"])) for text in messages)
    return Turn(**{"model": MODEL, "max_tokens": 2000, "system": SYSTEM, **fields}, messages=given)


def comparable(messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages in which the CLI's own words are always the same, and an image is its width."""
    return [{**message, "content": _comparable(message["content"])} for message in messages]


def _comparable(value: Any) -> Any:
    match value:
        case {"type": "base64", "media_type": str(kind), "data": str(data)} if "image" in kind:
            return {**value, "data": _width(data)}
        case dict():
            return {name: _comparable(inner) for name, inner in value.items()}
        case list():
            return [_comparable(inner) for inner in value]
        case str() if _OWN_WORDS.fullmatch(value):
            return OWN_WORDS
        case _:
            return value


def _width(data: str) -> str:
    try:
        width, _ = imagesize.get(BytesIO(base64.b64decode(data)))
    except ValueError:
        return data
    return f"{width} pixels" if width > 0 else data


@frozen
class Arrived:
    """The request that reached the API. `is_clean`: nothing of it was left in the process."""

    body: dict[str, Any]
    betas: frozenset[str]
    is_clean: bool
    headers: Mapping[str, str]
    standing: int = 0
    """How many of its messages stood in the process already."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        return comparable(as_blocks(self.body)["messages"])

    @property
    def own_system(self) -> list[str]:
        """What stands where the CLI has its own two blocks."""
        return [block["text"] for block in self.body["system"][:OWN_SYSTEM]]

    @property
    def system(self) -> list[str]:
        """What stands behind those."""
        return [block["text"] for block in self.body["system"][OWN_SYSTEM:]]


@frozen
class _Question:
    turn: Turn
    is_guarded: bool
    is_last: bool
    answer: trio.MemorySendChannel[Arrived | Exception]


@define(eq=False)
class OneProcess:
    """A process; another one takes its place for another system prompt, or if it is not clean."""

    _questions: trio.MemorySendChannel[_Question]
    _token: trio.lowlevel.TrioToken

    def arrives(self, asked: Turn, *, is_guarded: bool = True, is_last: bool = False) -> Arrived:
        """What of a turn reaches the API.

        Without guard, a user message of nothing is empty. Behind the last turn, the process ends.
        """
        send, receive = trio.open_memory_channel[Arrived | Exception](1)
        question = _Question(asked, is_guarded, is_last, send)

        async def ask() -> Arrived | Exception:
            await self._questions.send(question)
            return await receive.receive()

        found = trio.from_thread.run(ask, trio_token=self._token)
        if isinstance(found, Exception):
            raise found
        return found


@define(eq=False)
class _Conversation:
    """The session of one process."""

    _link: LineStream
    _standin: StandIn
    _session: Session
    _is_clean: bool = field(default=True, init=False)

    def can_take(self, asked: Turn) -> bool:
        fit = self._session.fit(Prompt(asked.caller, asked.system))
        return self._is_clean and fit is not Fit.NOT

    async def introduce(self) -> None:
        """Have the process say who it is: from then on it takes any prompt."""
        probe = introduction(binds=False)
        await self._link.send(probe.begin())
        while not probe.is_answered:
            probe.receive(await self._link.receive())

    async def arrived(self, question: _Question) -> Arrived | Exception:
        """What has reached the API, or why nothing has."""
        self._standin.record.clear()
        exchange = self._session.begin(question.turn)
        try:
            with trio.fail_after(_PATIENCE):
                await self._converse(exchange, is_guarded=question.is_guarded)
        except (ProcessDied, trio.TooSlowError) as error:
            self._is_clean = False
            return error
        self._is_clean = exchange.is_clean and not question.is_last
        if exchange.is_clean:
            self._session.ended(exchange)
        for request in self._standin.record.messages:
            found = betas(request.headers)
            return Arrived(
                request.body, found, exchange.is_clean, request.headers, len(exchange.standing)
            )
        assert exchange.error is not None, "the CLI has answered in the place of the model"
        return exchange.error

    async def _converse(self, exchange: Exchange, *, is_guarded: bool) -> None:
        data = exchange.begin()
        while not exchange.is_over:
            await self._link.send(data if is_guarded else _unguarded(data))
            data = exchange.receive(await self._link.receive()).output


def _unguarded(data: bytes) -> bytes:
    """Lines of which those that have nothing but the guard have nothing at all."""
    lines = [orjson.loads(line) for line in data.splitlines()]
    for line in lines:
        if line["type"] == "user" and line["message"]["content"] == [GUARD]:
            line["message"]["content"] = []
    return b"".join(map(encode, lines))


async def _answer_all(
    questions: trio.MemoryReceiveChannel[_Question],
    command: Command,
    standin: StandIn,
    *,
    takes_any: bool,
    keeps: bool,
) -> None:
    async with open_guard() as guard, questions:
        question = await _next(questions)
        while question is not None:
            async with open_process(command, guard, stop_timeout=1.0) as process:
                slots = PromptSlots() if takes_any else None
                session = Session(command.betas, slots=slots, is_bare=command.is_bare, keeps=keeps)
                conversation = _Conversation(LineStream(process, _MAX_LINE), standin, session)
                if takes_any:
                    await conversation.introduce()
                while question is not None and conversation.can_take(question.turn):
                    await question.answer.send(await conversation.arrived(question))
                    question = await _next(questions)


async def _next(questions: trio.MemoryReceiveChannel[_Question]) -> _Question | None:
    try:
        return await questions.receive()
    except trio.EndOfChannel:
        return None


@contextmanager
def one_process(
    home: Path,
    *,
    takes_any: bool = False,
    has_login: bool = False,
    keeps: bool = False,
    cwd: Path | None = None,
) -> Iterator[OneProcess]:
    """A process for as long as the block. `takes_any`: one for every system prompt.

    `has_login`: with an account's token, and no key; `keeps`: some of a conversation stands in it
    for the next turn. It runs in `cwd`, or in its home.
    """
    opened = _opened(home, takes_any=takes_any, has_login=has_login, keeps=keeps, cwd=cwd or home)
    with in_background(opened) as found:
        yield found.it


@asynccontextmanager
async def _opened(
    home: Path, *, takes_any: bool, has_login: bool, keeps: bool, cwd: Path
) -> AsyncGenerator[OneProcess]:
    standin = StandIn()
    send, receive = trio.open_memory_channel[_Question](0)
    async with trio.open_nursery() as nursery:
        url: str = await nursery.start(serve_standin, standin)
        merged = {**environment(home, url), **(LOGIN if has_login else {})}
        environ = {name: value for name, value in merged.items() if value is not None}
        plugin = home / "plugin"
        if takes_any:
            write_plugin(plugin)
        binary = find_binary("", environ, wheel_binary())
        command = build_command(binary, environ, str(cwd), plugin=str(plugin) if takes_any else "")
        answer = partial(_answer_all, receive, command, standin, takes_any=takes_any, keeps=keeps)
        nursery.start_soon(answer)
        yield OneProcess(send, trio.lowlevel.current_trio_token())
        nursery.cancel_scope.cancel()
