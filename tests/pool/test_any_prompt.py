"""Processes that take any prompt: who is chosen, and what happens while one is being given."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypeAlias

import pytest
import trio
import trio.testing
from attrs import evolve

from tests import fakes
from tests.fakes import ANSWER, FakeCLI, FakeProcess, turn
from tests.pool.pools import ONE, TWO, balanced
from trioproxy.claude.prompts import SLOTS, PromptSlots
from trioproxy.claude.session import Session
from trioproxy.errors import TrioproxyError
from trioproxy.pool.pool import Pool, open_pool
from trioproxy.settings import PoolSettings

Clock: TypeAlias = trio.testing.MockClock


@asynccontextmanager
async def pool_of(cli: FakeCLI, settings: PoolSettings = ONE) -> AsyncGenerator[Pool]:
    def new_session() -> Session:
        return Session(slots=PromptSlots(), prompt_timeout=settings.idle_timeout)

    async with open_pool(settings, cli, max_line_size=1_000_000, new_session=new_session) as pool:
        await pool.wait_warm()
        yield pool
    assert cli.alive == 0


async def ask(pool: Pool, system: str, caller: str = "") -> str:
    """Ask, read the whole answer, wait until its process is clean, and say which it was."""
    with pool.submit(evolve(turn(system=system), caller=caller)) as answer:
        await answer.wait_taken()
        assert [event["type"] async for batch in answer for event in batch][-1] == "message_stop"
        worker = answer.worker_id
    await trio.testing.wait_all_tasks_blocked()
    assert worker is not None
    return worker


def systems(process: FakeProcess) -> list[str]:
    return [system for system, _ in process.asked]


async def test_idle_process_forgets_what_callers_have_said(autojump_clock: Clock) -> None:
    cli = FakeCLI()
    async with pool_of(cli, evolve(ONE, idle_timeout=300.0)) as pool:
        await ask(pool, "mine", caller="a")
        await ask(pool, "theirs", caller="b")
        (process,) = cli.launched
        since = trio.current_time()
        await trio.sleep_until(since + 299.9)
        assert {"mine", "theirs"} <= {*process.options.values()}
        await trio.sleep_until(since + 300.1)
        assert {*process.options.values()} == {""}
        assert process.agents == process.options  # they were read again
        assert process.system is None
        stats = pool.statistics()
        assert (stats.available_connections, stats.resets) == (1, 2)
        await trio.sleep(1000)
        reloads = process.reloads
        await ask(pool, "mine", caller="a")
        assert systems(process)[-1] == "mine"
        assert process.reloads == reloads + 1
        assert balanced(pool)


async def test_idle_process_that_does_not_forget_is_replaced(autojump_clock: Clock) -> None:
    cli = FakeCLI(planned=[fakes.ReloadsOnce])
    async with pool_of(cli, evolve(ONE, idle_timeout=300.0, health_check_interval=1e6)) as pool:
        await ask(pool, "mine")
        await trio.sleep(310)
        assert pool.statistics().retirements == {"not proven clean": 1}
        await ask(pool, "mine")
        assert len(cli.launched) == 2
        assert balanced(pool)


async def test_request_that_comes_as_a_process_forgets_waits_for_it(autojump_clock: Clock) -> None:
    cli = FakeCLI(kind=fakes.ReloadsSlowly)
    async with pool_of(cli, evolve(ONE, idle_timeout=300.0)) as pool:
        await ask(pool, "mine")
        (worker,) = pool.statistics().workers
        await trio.sleep(300.2 - worker.idle)
        assert [each.state for each in pool.statistics().workers] == ["resetting"]
        await ask(pool, "theirs")
        assert systems(cli.launched[0]) == ["mine", "theirs"]
        assert (len(cli.launched), balanced(pool)) == (1, True)


async def test_one_process_answers_every_prompt(autojump_clock: Clock) -> None:
    cli = FakeCLI()
    prompts = [f"prompt {number % 5}" for number in range(20)]
    async with pool_of(cli) as pool:
        for prompt in prompts:
            await ask(pool, prompt)
        assert balanced(pool)
    (process,) = cli.launched
    assert systems(process) == prompts
    assert process.reloads == 5  # each is given once


async def test_who_has_the_prompt_is_chosen_then_who_knows_it(autojump_clock: Clock) -> None:
    cli = FakeCLI()
    async with pool_of(cli, TWO) as pool, trio.open_nursery() as nursery:
        nursery.start_soon(ask, pool, "a")
        nursery.start_soon(ask, pool, "b")
        await trio.sleep(2 * ANSWER)
        has_a, has_b = await ask(pool, "a"), await ask(pool, "b")
        assert has_a != has_b
        assert await ask(pool, "c") == has_b  # the last that was used
        assert await ask(pool, "b") == has_b  # it knows it, and the other does not
        assert await ask(pool, "a") == has_a
    assert sum(process.reloads for process in cli.launched) == 3


async def test_a_prompt_is_a_callers_own(autojump_clock: Clock) -> None:
    cli = FakeCLI()
    async with pool_of(cli) as pool:
        for caller in ("one", "two", "one"):
            await ask(pool, "same", caller)
    assert cli.launched[0].reloads == 2


async def test_what_others_said_long_ago_is_taken_away(autojump_clock: Clock) -> None:
    cli = FakeCLI()
    async with pool_of(cli, evolve(ONE, idle_timeout=10.0)) as pool:
        await ask(pool, "secret", "one")
        await ask(pool, "mine", "two")
        assert "secret" in cli.launched[0].options.values()
        await trio.sleep(11)
        await ask(pool, "mine", "two")
        assert set(cli.launched[0].agents.values()) == {"mine", ""}
    assert systems(cli.launched[0]) == ["secret", "mine", "mine"]


async def test_the_oldest_prompt_gives_way(autojump_clock: Clock) -> None:
    cli = FakeCLI()
    async with pool_of(cli) as pool:
        for number in range(SLOTS + 1):
            await ask(pool, f"{number}")
        await ask(pool, "1")
        assert cli.launched[0].reloads == SLOTS + 1
        await ask(pool, "0")
        assert cli.launched[0].reloads == SLOTS + 2


# -- Faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["rejects", "stops", "dies"])
@pytest.mark.parametrize("at", fakes.BINDING)
async def test_a_process_that_is_not_given_its_prompt_is_asked_nothing(
    autojump_clock: Clock, how: str, at: str
) -> None:
    cli = FakeCLI(planned=[fakes.fails_binding(how, at)])
    settings = evolve(ONE, max_size=2, min_size=1, health_timeout=5.0, acquire_timeout=30.0)
    async with pool_of(cli, settings) as pool:
        await ask(pool, "a")
        stats = pool.statistics()
        assert (stats.retries, stats.retirements) == (1, Counter({"died": 1}))
        assert balanced(pool)
    first, second = cli.launched
    assert first.conversation == []
    assert (systems(first), systems(second)) == ([], ["a"])


async def test_two_that_are_not_given_it_are_told(autojump_clock: Clock) -> None:
    cli = FakeCLI(kind=fakes.fails_binding("rejects", "agent"))
    async with pool_of(cli) as pool:
        with pytest.raises(TrioproxyError, match="rejected a setting: no such thing"):
            await ask(pool, "a")
        assert balanced(pool)
    assert [systems(process) for process in cli.launched[:2]] == [[], []]


async def test_a_caller_that_leaves_meanwhile_leaves_a_clean_process(
    autojump_clock: Clock,
) -> None:
    cli = FakeCLI(kind=fakes.ReloadsSlowly)
    async with pool_of(cli) as pool:
        with pool.submit(turn(system="a")):
            await trio.sleep(0.5)
        await trio.sleep(2)
        assert pool.statistics().available_connections == 1
        await ask(pool, "b")
        await ask(pool, "a")
        assert pool.statistics().retirements == {}
    (process,) = cli.launched
    assert systems(process) == ["b", "a"]
    assert process.reloads == 2
