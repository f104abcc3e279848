"""The pool on processes in memory, at exact virtual times."""

import pytest
import trio
from attrs import evolve

from tests import fakes
from tests.fakes import ANSWER, BOOT, FakeCLI, turn
from tests.pool.pools import ONE, TWO, ask, balanced, pool_of
from trioproxy.errors import (
    AcquireTimeout,
    ApiError,
    BootFailed,
    CliFailed,
    PoolClosed,
    ProcessDied,
    TrioproxyError,
)
from trioproxy.pool.backoff import LONGEST


async def test_open_pool_waits_for_the_first_boot_only(
    autojump_clock: trio.testing.MockClock,
) -> None:
    slow = [fakes.FakeProcess, lambda pid: fakes.FakeProcess(pid, boot=3.0)]
    cli = FakeCLI(planned=slow)
    async with pool_of(cli, TWO) as pool:
        assert trio.current_time() == BOOT
        assert cli.launched_at == [0.0, 0.0]
        assert pool.statistics().available_connections == 1
        await trio.sleep(3)
        assert pool.statistics().available_connections == 2


async def test_bound_process_answers_all_that_share_its_prompt(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cli = FakeCLI()
    async with pool_of(cli, TWO) as pool:
        await trio.sleep(1)
        answered_by = set()
        for i in range(10):
            answered_by.add(await ask(pool, f"question {i}"))
            await trio.testing.wait_all_tasks_blocked()  # it is clean again
        await trio.testing.wait_all_tasks_blocked()
        stats = pool.statistics()
    assert len(answered_by) == 1
    assert len(cli.launched) == 2
    assert stats.connections_reused == 9
    assert stats.resets == 10
    asked = [process.asked for process in cli.launched if process.asked]
    assert asked == [[("", [f"question {i}"]) for i in range(10)]]


async def test_bound_process_is_never_shared_by_prompts(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cli = FakeCLI()
    async with pool_of(cli, evolve(TWO, max_size=3)) as pool, trio.open_nursery() as nursery:
        for i in range(30):
            nursery.start_soon(ask, pool, f"secret {i % 3}", f"prompt {i % 3}")
            await trio.sleep(0.6)
    for process in cli.launched:
        assert {body for _, (body,) in process.asked} <= {f"secret {(process.system or '')[-1]}"}


async def test_events_arrive_as_they_are_written(autojump_clock: trio.testing.MockClock) -> None:
    async with pool_of(FakeCLI()) as pool:
        start = trio.current_time()
        with pool.submit(turn()) as answer:
            await answer.wait_taken()
            times = [(len(batch), trio.current_time() - start) async for batch in answer]
    assert sum(count for count, _ in times) == 9
    assert sorted({at for _, at in times}) == [0.0, 0.25, 0.5, 0.75, 1.0]


async def test_waiter_is_served_at_the_release(autojump_clock: trio.testing.MockClock) -> None:
    done: list[tuple[str, float]] = []

    async def client(name: str) -> None:
        await ask(pool, name)
        done.append((name, trio.current_time() - start))

    async with pool_of(FakeCLI()) as pool:
        start = trio.current_time()
        async with trio.open_nursery() as nursery:
            for name in ("first", "second", "third"):
                nursery.start_soon(client, name)
                await trio.testing.wait_all_tasks_blocked()
            assert pool.statistics().waiting == 2
    assert done == [("first", ANSWER), ("second", 2 * ANSWER), ("third", 3 * ANSWER)]


async def test_acquire_timeout_ends_the_wait(autojump_clock: trio.testing.MockClock) -> None:
    cli = FakeCLI(kind=fakes.StallsMidAnswer)
    async with pool_of(cli, evolve(ONE, acquire_timeout=5.0)) as pool:
        with pool.submit(turn()) as busy:
            await busy.wait_taken()
            start = trio.current_time()
            with pool.submit(turn()) as answer, pytest.raises(AcquireTimeout):
                await answer.wait_taken()
            assert trio.current_time() - start == 5.0
            stats = pool.statistics()
            assert (stats.acquire_timeouts, stats.waiting) == (1, 0)


async def test_acquire_timeout_in_the_tick_in_which_a_worker_is_free(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Either may come first: a turn that has a worker is answered, one without is counted."""
    cli = FakeCLI(fakes.ResetsInItsReadersTask)
    async with pool_of(cli, ONE) as pool, trio.open_nursery() as nursery:
        await ask(pool, "first")
        await trio.sleep(1)
        nursery.start_soon(ask, pool, "second")
        await trio.testing.wait_all_tasks_blocked()
        start = trio.current_time()
        with pool.submit(turn("third")) as answer:
            await answer.wait_taken()
            until_free = trio.current_time() - start
    timed_out = 0
    for _ in range(100):
        async with pool_of(cli, evolve(ONE, acquire_timeout=until_free)) as pool:
            await ask(pool, "first")
            await trio.sleep(1)
            before = pool.statistics().connections_reused
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask, pool, "second")
                await trio.testing.wait_all_tasks_blocked()
                try:
                    await ask(pool, "third")
                except AcquireTimeout:
                    timed_out += 1
                    served, counted = 1, 1
                else:
                    served, counted = 2, 0
            await trio.sleep(10)
            stats = pool.statistics()
            assert stats.connections_reused - before == served
            assert stats.acquire_timeouts == counted
            assert stats.available_connections == 1
    assert 0 < timed_out < 100  # that it was the same tick


async def test_max_size_bounds_the_growth(autojump_clock: trio.testing.MockClock) -> None:
    cli = FakeCLI()
    async with pool_of(cli, evolve(ONE, max_size=3)) as pool:
        async with trio.open_nursery() as nursery:
            for i in range(12):
                nursery.start_soon(ask, pool, f"{i}")
            await trio.sleep(0.1)
            assert pool.statistics().total_connections == 3
        assert len(cli.launched) == 3


async def test_max_size_least_recently_used_makes_room(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cli = FakeCLI()
    async with pool_of(cli, TWO) as pool:
        await trio.sleep(1)
        old = await ask(pool, system="old")
        new = await ask(pool, system="new")
        start = trio.current_time()
        other = await ask(pool, system="other")
        assert trio.current_time() - start == BOOT + ANSWER
        assert {worker.id for worker in pool.statistics().workers} == {new, other}
        assert old != new
        assert pool.statistics().retirements == {"made room": 1}


async def test_waiters_do_not_starve_behind_another_prompt(
    autojump_clock: trio.testing.MockClock,
) -> None:
    served: list[str] = []

    async def client(name: str, system: str) -> None:
        await ask(pool, name, system)
        served.append(name)

    settings = evolve(ONE, acquire_timeout=1000.0)
    async with pool_of(FakeCLI(), settings) as pool, trio.open_nursery() as nursery:
        for name in ("many 1", "other", "many 2", "many 3"):
            nursery.start_soon(client, name, name.split()[0])
            await trio.testing.wait_all_tasks_blocked()
    assert served == ["many 1", "other", "many 2", "many 3"]


async def test_release_mid_answer_gives_the_process_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cli = FakeCLI(planned=[fakes.StallsMidAnswer])
    async with pool_of(cli) as pool:
        with pool.submit(turn()) as answer:
            await answer.receive()
        await trio.testing.wait_all_tasks_blocked()
        stats = pool.statistics()
        assert (stats.available_connections, stats.in_use_connections) == (1, 0)
        assert cli.launched[0].interrupts >= 1
        assert cli.launched[0].conversation == []


async def test_reset_timeout_kills_a_process_that_ignores_interrupts(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cli = FakeCLI(planned=[fakes.StallsForGood])
    async with pool_of(cli, evolve(ONE, reset_timeout=5.0)) as pool:
        with pool.submit(turn()) as answer:
            await answer.receive()
        await trio.sleep(5.0 + BOOT)
        await trio.testing.wait_all_tasks_blocked()
        assert cli.launched[0].has_ended
        assert pool.statistics().retirements == {"not proven clean": 1}
        assert pool.statistics().available_connections == 1


async def test_reset_without_rewind_serves_nobody_else(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cli = FakeCLI(planned=[fakes.NeverRewinds])
    async with pool_of(cli) as pool:
        first = await ask(pool)
        second = await ask(pool)
        assert first != second
        assert pool.statistics().retirements == {"not proven clean": 1}


async def test_death_mid_answer_fails_the_turn_and_is_replaced(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with pool_of(FakeCLI(planned=[fakes.DiesMidAnswer])) as pool:
        with pool.submit(turn()) as answer:
            assert await answer.receive() is not None
            with pytest.raises(ProcessDied) as caught:
                await answer.receive()
        assert "fake words" in caught.value.log_message
        assert "fake words" not in caught.value.message  # it may speak of another request
        await ask(pool)
        assert pool.statistics().retirements == {"died": 1}


async def test_idle_process_that_dies_is_replaced(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cli = FakeCLI()
    async with pool_of(cli) as pool:
        cli.launched[0].end()
        await trio.sleep(BOOT)
        await trio.testing.wait_all_tasks_blocked()
        assert pool.statistics().available_connections == 1
        assert len(cli.launched) == 2
        await ask(pool)


async def test_idle_process_that_writes_unasked_is_replaced(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cli = FakeCLI()
    async with pool_of(cli) as pool:
        cli.launched[0].write({"type": "system", "subtype": "notice"})
        await trio.testing.wait_all_tasks_blocked()
        assert len(cli.launched) == 1
        cli.launched[0].write({"type": "result", "result": "of what?"})
        await trio.testing.wait_all_tasks_blocked()
        assert pool.statistics().retirements == {"wrote unasked": 1}


async def test_close_ends_running_and_waiting_turns(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ends: list[TrioproxyError] = []

    async def client() -> None:
        try:
            await ask(pool)
        except TrioproxyError as error:
            ends.append(error)

    cli = FakeCLI(kind=fakes.StallsMidAnswer)
    async with trio.open_nursery() as nursery, pool_of(cli) as pool:
        nursery.start_soon(client)
        nursery.start_soon(client)
        await trio.testing.wait_all_tasks_blocked()
    assert [type(end) for end in ends] == [PoolClosed, PoolClosed]
    with pytest.raises(PoolClosed):
        pool.submit(turn())


async def test_boot_failure_fails_the_waiters_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cli = FakeCLI(planned=[fakes.FakeProcess], kind=fakes.DiesAtBoot)
    async with pool_of(cli) as pool:
        cli.launched[0].end()
        await trio.testing.wait_all_tasks_blocked()
        start = trio.current_time()
        with pool.submit(turn()) as answer, pytest.raises(BootFailed, match="did not start"):
            await answer.wait_taken()
        assert trio.current_time() - start == 0.25
        with pytest.raises(BootFailed):
            pool.submit(turn())


async def test_boot_failures_back_off_and_recover(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cli = FakeCLI(kind=fakes.DiesAtBoot)
    async with pool_of(cli, TWO) as pool:
        await trio.sleep(600)
        gaps = [b - a for a, b in zip(cli.launched_at[2:], cli.launched_at[3:], strict=False)]
        assert max(gaps) <= LONGEST + 0.25 + 0.01
        assert 40 <= len(cli.launched) <= 90  # no storm
        trouble = pool.trouble
        assert trouble is not None
        cli.kind = fakes.FakeProcess
        await trio.sleep(LONGEST + 3)
        assert pool.statistics().available_connections == 2
        assert pool.trouble is None
        await ask(pool)


async def test_boot_timeout_ends_a_hanging_boot(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with pool_of(FakeCLI(kind=fakes.NeverBoots), evolve(ONE, boot_timeout=30.0)) as pool:
        assert trio.current_time() == 5.0  # the port is open, and says that nothing is there
        assert pool.is_starting
        await trio.sleep_until(30.0)
        await trio.testing.wait_all_tasks_blocked()
        assert pool.statistics().boot_failures == 1


async def test_warmup_on_startup_false_boots_at_the_first_request(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cli = FakeCLI()
    async with pool_of(cli, evolve(TWO, warmup_on_startup=False)) as pool:
        assert trio.current_time() == 0.0
        assert len(cli.launched) == 0
        await ask(pool)
        assert len(cli.launched) == 2


async def test_release_at_any_moment_leaves_the_pool_whole(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cli = FakeCLI()
    async with pool_of(cli) as pool:
        for step in range(60):
            with trio.move_on_after(step * 0.05):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(ask, pool)
                    nursery.start_soon(ask, pool)
            await trio.testing.wait_all_tasks_blocked()
            assert balanced(pool)
            stats = pool.statistics()
            assert (stats.waiting, stats.in_use_connections, stats.available_connections) == (
                0,
                0,
                1,
            )
        assert len(cli.launched) == 1
        await ask(pool)


async def test_cancelled_caller_at_the_hand_over_loses_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with pool_of(FakeCLI()) as pool:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, pool)
            await trio.testing.wait_all_tasks_blocked()
            with trio.move_on_after(ANSWER):  # the release comes at this very moment
                await ask(pool)
        await trio.testing.wait_all_tasks_blocked()
        assert pool.statistics().available_connections == 1
        assert balanced(pool)
        await ask(pool)


async def test_buffered_answer_arrives_at_the_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with pool_of(FakeCLI()) as pool:
        with pool.submit(turn(), is_buffered=True) as answer:
            batches = [batch async for batch in answer]
        assert trio.current_time() == BOOT + ANSWER
        assert [len(batch) for batch in batches] == [9]
        assert answer.timings.first_event_at == BOOT
        with pool.submit(turn(), is_buffered=True) as answer:
            with trio.move_on_after(ANSWER / 2) as left:
                await answer.receive()
            assert left.cancelled_caught
        await ask(pool)
        assert balanced(pool)


async def test_buffered_answer_is_discarded_on_error(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with pool_of(FakeCLI(kind=fakes.DiesMidAnswer)) as pool:
        with pool.submit(turn(), is_buffered=True) as answer, pytest.raises(ProcessDied):
            await answer.receive()


async def test_api_error_has_the_apis_own_words_from_stderr(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with pool_of(FakeCLI(fakes.RefusedByTheAPI), ONE) as pool:
        with pytest.raises(ApiError) as caught:
            await ask(pool)
    error = caught.value
    assert (error.status, error.type, error.message) == (529, "overloaded_error", "Overloaded")


async def test_settings_that_the_cli_rejects_fail_the_turn_and_replace_the_process(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with pool_of(FakeCLI(planned=[fakes.RejectsSettings]), ONE) as pool:
        with pytest.raises(CliFailed, match="rejected a setting: no such setting"):
            await ask(pool)
        await trio.sleep(5)
        await ask(pool)
        assert balanced(pool)
        assert pool.statistics().connections_destroyed == 1
