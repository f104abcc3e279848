"""Conversations that go on where they stand: who is chosen, what is written, what goes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypeAlias

import pytest
import trio
import trio.testing
from attrs import evolve

from tests import fakes
from tests.fakes import ANSWER, BOOT, FakeCLI
from tests.pool.pools import ONE, TWO, balanced
from trioproxy.claude.prompts import PromptSlots
from trioproxy.claude.session import Session
from trioproxy.claude.turn import Message, Turn
from trioproxy.pool.job import TurnTimings
from trioproxy.pool.pool import Pool, open_pool
from trioproxy.settings import PoolSettings

Clock: TypeAlias = trio.testing.MockClock


@asynccontextmanager
async def pool_of(cli: FakeCLI, settings: PoolSettings = ONE) -> AsyncGenerator[Pool]:
    def new_session() -> Session:
        return Session(slots=PromptSlots(), keeps=True)

    async with open_pool(settings, cli, max_line_size=1_000_000, new_session=new_session) as pool:
        await pool.wait_warm()
        yield pool
    assert cli.alive == 0


def words(count: int, name: str = "") -> list[str]:
    """Of a chat with so many questions: those of the user and of the model by turns."""
    return [f"{kind}{name}{number}" for number in range(count) for kind in "qa"][:-1]


def chat(*texts: str, caller: str = "", system: str = "") -> Turn:
    messages = [
        Message("assistant" if at % 2 else "user", ({"type": "text", "text": each},))
        for at, each in enumerate(texts)
    ]
    return Turn("claude-test", 100, tuple(messages), system, caller=caller)


async def ask(pool: Pool, turn: Turn) -> tuple[str, TurnTimings]:
    """Ask, read the whole answer, wait until its process is clean; which it was."""
    with pool.submit(turn) as answer:
        await answer.wait_taken()
        assert [event["type"] async for batch in answer for event in batch][-1] == "message_stop"
        worker = answer.worker_id
    await trio.testing.wait_all_tasks_blocked()
    assert worker is not None
    return worker, answer.timings


async def test_a_chat_goes_on_where_it_stands(autojump_clock: Clock) -> None:
    cli = FakeCLI()
    async with pool_of(cli) as pool:
        found = [(await ask(pool, chat(*words(count))))[1] for count in range(1, 6)]
        stats = pool.statistics()
        assert [each.messages for each in stats.workers] == [8]
        assert (stats.messages_kept, stats.messages_replayed) == (12, 8)
    assert [timings.kept for timings in found] == [0, 0, 2, 4, 6]
    assert [timings.replayed for timings in found] == [0, 2, 2, 2, 2]
    (process,) = cli.launched
    assert [texts for _, texts in process.asked] == [words(count) for count in range(1, 6)]


async def test_a_branch_goes_back_to_where_it_parts(autojump_clock: Clock) -> None:
    cli = FakeCLI()
    async with pool_of(cli) as pool:
        await ask(pool, chat(*words(4)))
        _, timings = await ask(pool, chat(*words(4)[:4], "other"))
        assert timings.kept == 4
        _, timings = await ask(pool, chat(*words(4)))
        assert (timings.kept, timings.replayed) == (4, 2)
    assert [texts[-1] for _, texts in cli.launched[0].asked] == ["q3", "other", "q3"]


async def test_callers_share_nothing(autojump_clock: Clock) -> None:
    cli = FakeCLI()
    async with pool_of(cli) as pool:
        kept = [
            (await ask(pool, chat(*words(3), caller=caller)))[1].kept
            for caller in ("one", "two", "two", "one")
        ]
    assert kept == [0, 0, 4, 0]


async def test_a_title_beside_a_chat_does_not_wipe_it(autojump_clock: Clock) -> None:
    cli = FakeCLI()
    async with pool_of(cli, TWO) as pool:
        first, _ = await ask(pool, chat(*words(3)))
        title, _ = await ask(pool, chat("a title for it", system="You name chats."))
        assert title != first
        again, timings = await ask(pool, chat(*words(4)))
        assert (again, timings.kept) == (first, 4)
        assert len(cli.launched) == 2


async def test_one_is_ready_for_who_comes_next(autojump_clock: Clock) -> None:
    cli = FakeCLI()
    async with pool_of(cli, evolve(ONE, max_size=3)) as pool:
        first, _ = await ask(pool, chat(*words(3)))
        await trio.sleep(BOOT)
        start = trio.current_time()
        other, _ = await ask(pool, chat("one question"))
        assert trio.current_time() - start == ANSWER
        assert other != first
        assert len(cli.launched) == 2  # nothing stands in the second: it is the one that is ready


async def test_a_boot_spares_what_stands(autojump_clock: Clock) -> None:
    cli = FakeCLI()
    async with pool_of(cli, evolve(ONE, max_size=2)) as pool:
        first, _ = await ask(pool, chat(*words(3)))
        start = trio.current_time()
        other, _ = await ask(pool, chat("one question"))
        assert trio.current_time() - start == BOOT + ANSWER
        again, timings = await ask(pool, chat(*words(4)))
        assert (again, timings.kept) == (first, 4)
        assert other != first


async def test_a_boot_that_takes_long_spares_nothing(autojump_clock: Clock) -> None:
    cli = FakeCLI(planned=[fakes.FakeProcess], kind=fakes.NeverBoots)
    async with pool_of(cli, evolve(ONE, max_size=2)) as pool:
        first, _ = await ask(pool, chat(*words(3)))
        start = trio.current_time()
        other, _ = await ask(pool, chat("one question"))
        assert (other, trio.current_time() - start) == (first, 1.0 + ANSWER)
        assert balanced(pool)


async def test_at_max_size_what_is_worth_least_gives_way_beforehand(
    autojump_clock: Clock,
) -> None:
    cli = FakeCLI()
    async with pool_of(cli, TWO) as pool:
        long, _ = await ask(pool, chat(*words(9, "l")))
        short, _ = await ask(pool, chat(*words(2, "s")))
        assert long != short
        assert {each.id: each.messages for each in pool.statistics().workers} == {
            long: 16,
            short: 0,
        }
        other, _ = await ask(pool, chat("one question"))
        assert other == short
        _, timings = await ask(pool, chat(*words(10, "l")))
        assert timings.kept == 16
        assert pool.statistics().retirements == {}
    assert [process.reloads for process in cli.launched] == [1, 1]  # their prompts stay


async def test_a_process_that_does_not_go_back_is_asked_nothing(autojump_clock: Clock) -> None:
    cli = FakeCLI(planned=[fakes.GoesBackOnce])
    async with pool_of(cli) as pool:
        await ask(pool, chat(*words(3)))
        _, timings = await ask(pool, chat(*words(3, "other")))
        assert timings.kept == 0
        stats = pool.statistics()
        assert (stats.retries, stats.retirements) == (1, {"died": 1})
        assert balanced(pool)
    first, second = cli.launched
    assert [texts[-1] for _, texts in first.asked] == ["q2"]
    assert [texts[-1] for _, texts in second.asked] == ["qother2"]


async def test_a_caller_that_leaves_leaves_what_stood(autojump_clock: Clock) -> None:
    cli = FakeCLI()
    async with pool_of(cli) as pool:
        await ask(pool, chat(*words(3)))
        with pool.submit(chat(*words(4))) as answer:
            await answer.receive()
        await trio.sleep(1)
        assert [each.messages for each in pool.statistics().workers] == [6]
        _, timings = await ask(pool, chat(*words(5)))
        assert timings.kept == 6
        assert pool.statistics().retirements == {}


async def test_conversation_timeout_takes_it_away(autojump_clock: Clock) -> None:
    cli = FakeCLI()
    settings = evolve(ONE, conversation_timeout=60.0, idle_timeout=300.0)
    async with pool_of(cli, settings) as pool:
        await ask(pool, chat(*words(3)))
        (process,) = cli.launched
        since = trio.current_time()
        await trio.sleep_until(since + 59.9)
        assert len(process.conversation) == 4
        await trio.sleep_until(since + 60.1)
        assert process.conversation == []
        assert [each.messages for each in pool.statistics().workers] == [0]
        _, timings = await ask(pool, chat(*words(4)))
        assert timings.kept == 0
        assert (len(cli.launched), balanced(pool)) == (1, True)


@pytest.mark.parametrize("processes", [1, 3])
async def test_thirty_chats_at_once_are_answered_as_they_are(
    autojump_clock: Clock, processes: int
) -> None:
    cli = FakeCLI()
    settings = evolve(TWO, min_size=1, max_size=processes, max_waiting=100, acquire_timeout=1e6)
    async with pool_of(cli, settings) as pool:

        async def talk_all(name: str) -> None:
            for count in range(1, 5):
                await ask(pool, chat(*words(count, name)))

        async with trio.open_nursery() as nursery:
            for number in range(30):
                nursery.start_soon(talk_all, f"<{number}>")
        assert balanced(pool)
    asked = [texts for process in cli.launched for _, texts in process.asked]
    assert sorted(asked) == sorted(
        words(count, f"<{number}>") for number in range(30) for count in range(1, 5)
    )
