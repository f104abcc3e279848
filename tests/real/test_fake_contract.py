"""What the fake CLI and the real one have in common, so that the fake cannot drift.

Each behaviour is one that the pool's tests on the mock clock rely on.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import trio

from tests import fakes
from tests.fakes import FakeCLI, FakeProcess, Kind
from tests.real.servers import MODEL, environment
from trioproxy.claude.binary import find_binary, wheel_binary
from trioproxy.claude.command import build_command
from trioproxy.claude.control import introduction
from trioproxy.claude.exchange import Exchange
from trioproxy.claude.failure import in_its_own_words
from trioproxy.claude.models import read_models
from trioproxy.claude.session import Session
from trioproxy.claude.states import State
from trioproxy.claude.turn import Message, Turn
from trioproxy.errors import ApiError
from trioproxy.pool.guard import open_guard
from trioproxy.pool.line_stream import LineStream
from trioproxy.pool.process import Pipes, open_process
from trioproxy.standin import Pace, StandIn, serve_standin

pytestmark = pytest.mark.real

Launch: TypeAlias = Callable[..., AbstractAsyncContextManager[Pipes]]

SLOW = "[[standin words=40 rate=20]]"
REFUSED = '[[standin error=529 message="Overloaded"]]'
LISTED = ({"value": "owl", "resolvedModel": "claude-owl-1", "displayName": "Owl"},)


def quick(pid: int) -> FakeProcess:
    return FakeProcess(pid, boot=0.0, answer=0.1, models=LISTED)


@pytest.fixture(params=["fake", "real"])
def launch(request: pytest.FixtureRequest, tmp_path: Path) -> Launch:
    @asynccontextmanager
    async def fake(kind: Kind = quick) -> AsyncGenerator[Pipes]:
        async with FakeCLI(kind)() as process:
            yield process

    @asynccontextmanager
    async def real(kind: Kind = quick) -> AsyncGenerator[Pipes]:
        async with trio.open_nursery() as nursery:
            url: str = await nursery.start(serve_standin, StandIn(pace=Pace()))
            environ = environment(tmp_path, url)
            binary = find_binary("", environ, wheel_binary())
            command = build_command(binary, environ, str(tmp_path))
            async with (
                open_guard() as guard,
                open_process(command, guard, stop_timeout=1.0) as process,
            ):
                yield process
            nursery.cancel_scope.cancel()

    return {"fake": fake, "real": real}[request.param]


def turn(*texts: str) -> Turn:
    """A conversation whose last text is the question; user and assistant by turns."""
    messages = tuple(
        Message("assistant" if number % 2 else "user", ({"type": "text", "text": text},))
        for number, text in enumerate(texts)
    )
    return Turn(MODEL, 1000, messages, "Be brief.")


async def answered(stream: LineStream, exchange: Exchange) -> list[str]:
    """Drive an exchange to its end; the types of its events."""
    types: list[str] = []
    data = exchange.begin()
    with trio.fail_after(30):
        while not exchange.is_over:
            await stream.send(data)
            step = exchange.receive(await stream.receive())
            data = step.output
            types += [event["type"] for event in step.events]
    return types


def lines_of(pipes: Pipes) -> LineStream:
    return LineStream(pipes, 10_000_000)


async def test_a_ping_is_answered_once_booted(launch: Launch) -> None:
    async with launch() as pipes:
        stream, ping = lines_of(pipes), Session().ping()
        await stream.send(ping.begin())
        with trio.fail_after(30):
            while not ping.is_answered:
                ping.receive(await stream.receive())


async def test_initialize_lists_the_models(launch: Launch) -> None:
    async with launch() as pipes:
        stream, probe = lines_of(pipes), introduction(binds=True)
        await stream.send(probe.begin())
        with trio.fail_after(30):
            while not probe.is_answered:
                probe.receive(await stream.receive())
        assert read_models(probe.answer).listed


async def test_an_answer_is_the_events_of_one_message_and_then_clean(launch: Launch) -> None:
    async with launch() as pipes:
        session = Session()
        for _ in range(2):  # the same process again
            exchange = session.begin(turn("hello"))
            types = await answered(lines_of(pipes), exchange)
            assert (types[0], types[-1]) == ("message_start", "message_stop")
            assert types.count("message_start") == types.count("content_block_stop") == 1
            assert types.index("message_delta") == len(types) - 2
            assert (exchange.error, exchange.is_clean) == (None, True)
            assert exchange.total_cost is not None


async def test_a_history_is_taken_segment_by_segment(launch: Launch) -> None:
    async with launch() as pipes:
        exchange = Session().begin(turn("one", "two", "three", "four", "five"))
        types = await answered(lines_of(pipes), exchange)
        assert (types[0], types[-1], exchange.is_clean) == ("message_start", "message_stop", True)


async def interrupted(stream: LineStream, exchange: Exchange, after: int) -> None:
    """Abandon an exchange after so many events, and drive it to its end."""
    seen = 0
    data = exchange.begin()
    with trio.fail_after(30):
        while not exchange.is_over:
            if seen >= after and exchange.state is State.ANSWERING:
                data += exchange.abandon()
            await stream.send(data)
            step = exchange.receive(await stream.receive())
            data = step.output
            seen += len(step.events)


@pytest.mark.parametrize("after", [0, 2])
async def test_an_interrupted_answer_leaves_the_process_clean(launch: Launch, after: int) -> None:
    async with launch() as pipes:
        session, stream = Session(), lines_of(pipes)
        exchange = session.begin(turn(SLOW))
        await interrupted(stream, exchange, after)
        assert exchange.is_clean
        types = await answered(stream, session.begin(turn("hello")))
        assert (types[0], types[-1]) == ("message_start", "message_stop")


async def test_a_refusal_of_the_api_is_in_the_result_and_on_stderr(launch: Launch) -> None:
    def refused(pid: int) -> FakeProcess:
        return fakes.RefusedByTheAPI(pid, boot=0.0)

    async with launch(refused) as pipes:
        exchange = Session().begin(turn(REFUSED))
        assert await answered(lines_of(pipes), exchange) == []
        error: Any = exchange.error
        assert isinstance(error, ApiError)
        with trio.fail_after(5):
            while in_its_own_words(error, None, pipes.stderr_tail()) is None:
                await pipes.wait_stderr()
        own = in_its_own_words(error, None, pipes.stderr_tail())
        assert own is not None
        assert (own.status, own.type, own.message) == (529, "overloaded_error", "Overloaded")
        assert pipes.has_stderr
        pipes.clear_stderr()
        assert (pipes.has_stderr, pipes.stderr_tail()) == (False, "")
