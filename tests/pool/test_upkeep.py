"""What the pool does by itself, and what each setting of it changes, at exact virtual times."""

import logging
import traceback

import pytest
import trio
from attrs import evolve

from tests import fakes
from tests.fakes import (
    ANSWER,
    BOOT,
    DiesYoung,
    FakeCLI,
    FakeProcess,
    HearsNothing,
    IgnoresRewind,
    Stops,
    turn,
)
from tests.pool.pools import ONE, TWO, ask, balanced, pool_of
from tests.sizing import Sized
from trioproxy.claude.session import Session
from trioproxy.errors import (
    AcquireTimeout,
    BootFailed,
    PoolClosed,
    ProcessDied,
    ProcessStalled,
    TooManyWaiting,
    TrioproxyError,
    TurnTimeout,
)
from trioproxy.pool.backoff import LONGEST
from trioproxy.pool.job import Lease
from trioproxy.pool.line_stream import LineStream
from trioproxy.pool.worker import Worker
from trioproxy.settings import PoolSettings

Clock = trio.testing.MockClock


# -- Idle processes


async def test_idle_timeout_closes_surplus_processes(autojump_clock: Clock) -> None:
    settings = evolve(ONE, max_size=3, idle_timeout=300.0)
    async with pool_of(FakeCLI(), settings) as pool:
        async with trio.open_nursery() as nursery:
            for i in range(3):
                nursery.start_soon(ask, pool, f"{i}")
        await trio.testing.wait_all_tasks_blocked()
        assert pool.statistics().available_connections == 3
        assert trio.current_time() == 2.0  # one is idle since 1.5, two since 2.0
        for time, left in [(301.4, 3), (301.6, 2), (301.9, 2), (302.1, 1)]:
            await trio.sleep_until(time)
            assert pool.statistics().available_connections == left
        assert pool.statistics().retirements == {"idle": 2}
        await trio.sleep(1000)
        assert pool.statistics().available_connections == 1


async def test_idle_timeout_is_reached_since_the_last_used_is_used_again(
    autojump_clock: Clock,
) -> None:
    settings = evolve(ONE, max_size=2, idle_timeout=10.0)
    async with pool_of(FakeCLI(), settings) as pool:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, pool)
            nursery.start_soon(ask, pool)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(12):
            await ask(pool)
            await trio.testing.wait_all_tasks_blocked()
        (worker,) = pool.statistics().workers
        assert worker.uses >= 12


# -- Health


def stops(process: FakeProcess, is_stopped: bool) -> None:  # noqa: FBT001 - it reads well
    assert isinstance(process, Stops)
    process.is_stopped = is_stopped


async def test_health_check_finds_a_stopped_process(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "trioproxy")
    cli = FakeCLI(planned=[Stops])
    settings = evolve(ONE, health_check_interval=60.0, health_timeout=5.0)
    async with pool_of(cli, settings) as pool:
        stopped = cli.launched[0]
        stops(stopped, True)
        await trio.sleep_until(60 + 5 - 0.01)
        assert cli.alive == 1
        await trio.sleep(0.02)
        assert stopped.has_ended
        await trio.sleep(BOOT)
        stats = pool.statistics()
        assert (stats.health_check_failures, stats.available_connections) == (1, 1)
    result = [record.getMessage() for record in caplog.records]
    failed = [text for text in result if text.startswith("[POOL] Health check failed for conn")]
    destroyed = [text for text in result if text.startswith("[POOL] Destroyed unhealthy conn")]
    assert len(failed) == len(destroyed) == 1
    assert result.index(failed[0]) < result.index(destroyed[0])


async def test_health_check_keeps_a_healthy_process(autojump_clock: Clock) -> None:
    asked: list[float] = []

    class Counts(FakeProcess):
        def on_control(self, request_id: str, request: dict[str, object]) -> None:
            if request["subtype"] == "mcp_status":
                asked.append(trio.current_time())
            super().on_control(request_id, request)

    async with pool_of(FakeCLI(kind=Counts), evolve(ONE, health_check_interval=60.0)) as pool:
        await trio.sleep(250)
        assert pool.statistics().health_check_failures == 0
    assert asked == [BOOT, 60.0, 120.0, 180.0, 240.0]


async def test_health_check_never_makes_the_pool_look_empty(autojump_clock: Clock) -> None:
    cli = FakeCLI(planned=[Stops])
    settings = evolve(ONE, health_check_interval=60.0, health_timeout=5.0)
    async with pool_of(cli, settings) as pool:
        stopped = cli.launched[0]
        stops(stopped, True)  # so that the check takes its time
        await trio.sleep_until(62)
        stops(stopped, False)
        assert pool.statistics().available_connections == 1
        with pool.submit(turn()) as answer:
            assert answer.worker_id is not None
            assert [len(batch) async for batch in answer]
        await trio.sleep(10)
        assert not stopped.has_ended


# -- A second try


async def test_retry_of_a_death_before_the_first_event_is_unseen(
    autojump_clock: Clock,
) -> None:
    cli = FakeCLI(planned=[fakes.DiesUnseen])
    async with pool_of(cli) as pool:
        await ask(pool)
        stats = pool.statistics()
        assert (stats.retries, stats.retirements) == (1, {"died": 1})
        await trio.sleep(1)
        assert pool.statistics().available_connections == 1


async def test_retry_that_dies_too_fails_the_turn(autojump_clock: Clock) -> None:
    cli = FakeCLI(kind=fakes.DiesUnseen)
    async with pool_of(cli, TWO) as pool:
        await trio.sleep(1)
        with pytest.raises(ProcessDied):
            await ask(pool)
        assert pool.statistics().retries == 1


async def test_health_timeout_gives_a_turn_to_another_process(
    autojump_clock: Clock,
) -> None:
    cli = FakeCLI(planned=[HearsNothing])
    settings = evolve(ONE, health_timeout=5.0, acquire_timeout=60.0)
    async with pool_of(cli, settings) as pool:
        start = trio.current_time()
        await ask(pool)
        assert trio.current_time() - start == 5.0 + BOOT + ANSWER
        assert pool.statistics().retries == 1


async def test_retry_waits_for_acquire_timeout_at_most(autojump_clock: Clock) -> None:
    cli = FakeCLI(planned=[fakes.DiesUnseen], kind=fakes.NeverBoots)
    settings = evolve(ONE, acquire_timeout=2.0)
    async with pool_of(cli, settings) as pool:
        start = trio.current_time()
        with pytest.raises(AcquireTimeout):
            await ask(pool)
        assert trio.current_time() - start == 2.0
        assert pool.statistics().waiting == 0


async def test_retry_never_follows_a_first_event(autojump_clock: Clock) -> None:
    async with pool_of(FakeCLI(kind=fakes.DiesMidAnswer), TWO) as pool:
        await trio.sleep(1)
        with pytest.raises(ProcessDied):
            await ask(pool)
        assert pool.statistics().retries == 0


async def test_retry_of_a_caller_that_leaves_loses_nothing(
    autojump_clock: Clock,
) -> None:
    for step in range(12):
        cli = FakeCLI(planned=[fakes.DiesUnseen])
        async with pool_of(cli) as pool:
            with trio.move_on_after(step * 0.15):
                await ask(pool)
            await trio.sleep(5)
            assert balanced(pool)
            assert pool.statistics().available_connections == 1
            await ask(pool)


# -- Wear


async def test_max_requests_replaces_a_process_once_the_new_one_is_up(
    autojump_clock: Clock,
) -> None:
    cli = FakeCLI()
    settings = evolve(ONE, max_size=2, max_requests=3)
    async with pool_of(cli, settings) as pool:
        first = []
        for _ in range(3):
            first.append(await ask(pool))
            await trio.testing.wait_all_tasks_blocked()  # it is clean again
        await trio.sleep(BOOT / 2)
        assert (len(cli.launched), cli.alive) == (2, 2)  # the new one boots beside the old one
        assert pool.statistics().available_connections == 1
        await trio.sleep(BOOT)
        assert (cli.alive, pool.statistics().retirements) == (1, {"worn": 1})
        second = await ask(pool)
    assert len(set(first)) == 1
    assert second not in first


async def test_max_requests_at_max_size_makes_room_for_the_replacement(
    autojump_clock: Clock,
) -> None:
    cli = FakeCLI()
    async with pool_of(cli, evolve(ONE, max_requests=1)) as pool:
        answered = [await ask(pool) for _ in range(3)]
        await trio.sleep(1)
        assert pool.statistics().available_connections == 1
    assert len(set(answered)) == 3


async def test_max_rss_replaces_a_process_between_turns(
    autojump_clock: Clock,
) -> None:
    cli = FakeCLI()
    async with pool_of(cli, evolve(ONE, max_rss=1000)) as pool:
        with pool.submit(turn()) as answer:
            await answer.receive()
            cli.launched[0].memory = 1001
            async for _ in answer:
                assert cli.alive == 1
                assert len(cli.launched) == 1
        await trio.sleep(1)
        assert pool.statistics().retirements == {"worn": 1}
        assert len(cli.launched) == 2


async def test_max_requests_under_constant_load(autojump_clock: Clock) -> None:
    cli = FakeCLI()
    settings = evolve(TWO, max_requests=5, max_waiting=1000, acquire_timeout=1000.0)
    async with pool_of(cli, settings) as pool, trio.open_nursery() as nursery:
        for i in range(40):
            nursery.start_soon(ask, pool, f"{i}")
    retirements = pool.statistics().retirements
    assert [len(process.asked) for process in cli.launched if process.asked] == [5] * 8
    assert set(retirements) == {"worn"}


# -- The line


async def test_max_waiting_bounds_the_queue(autojump_clock: Clock) -> None:
    cli = FakeCLI(kind=fakes.StallsMidAnswer)
    async with pool_of(cli, evolve(ONE, max_waiting=2)) as pool:
        with pool.submit(turn()), pool.submit(turn()), pool.submit(turn()):
            with pytest.raises(TooManyWaiting) as caught:
                pool.submit(turn())
            assert (caught.value.status, caught.value.type) == (429, "rate_limit_error")
            assert caught.value.retry_after is not None


async def test_waiters_are_many_and_served_in_order(autojump_clock: Clock, sized: Sized) -> None:
    count = sized(100, 1000)
    served: list[int] = []

    async def read(number: int, answer: Lease) -> None:
        with answer:
            await answer.wait_taken()
            async for _ in answer:
                pass
            served.append(number)

    settings = evolve(ONE, max_waiting=count, acquire_timeout=1e6, max_requests=10_000)
    async with pool_of(FakeCLI(), settings) as pool, trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(read, number, pool.submit(turn(f"{number}")))
    assert served == list(range(count))


async def test_waiters_of_several_prompts_are_served_in_order(
    autojump_clock: Clock, sized: Sized
) -> None:
    """The line alone, with a free worker made by hand: no process could be this quick."""
    length = sized(1000, 10_000)
    settings = evolve(ONE, max_waiting=length)
    async with pool_of(FakeCLI(kind=fakes.StallsMidAnswer), settings) as pool:
        answers = [pool.submit(turn(f"{number}")) for number in range(length + 1)]
        assert pool.statistics().waiting == length
        for left in range(2, length + 1, 2):
            answers[left].release()
        free = Worker("by hand", 0.0)
        jobs = [pool.next_job(free, is_released=False) for _ in range(length // 2)]
        numbers = [job.turn.messages[0].content[0]["text"] for job in jobs if job is not None]
        assert numbers == [f"{number}" for number in range(1, length + 1, 2)]
        assert pool.next_job(free, is_released=False) is None
        for answer in answers:
            answer.release()


# -- Another way to start them


async def test_renewed_pool_replaces_its_processes_in_time(autojump_clock: Clock) -> None:
    before, after = FakeCLI(), FakeCLI()
    async with pool_of(before, evolve(TWO, max_size=3)) as pool:
        await pool.wait_warm()
        with pool.submit(turn()) as answer:
            await answer.receive()
            pool.renew(after, Session)
            async for _ in answer:
                assert before.alive >= 1  # an answer that runs is not cut
        await trio.sleep(2)
        assert (before.alive, after.alive) == (0, 2)
        assert pool.statistics().retirements == {"worn": 2}
        await ask(pool)
        assert balanced(pool)


async def test_renewed_pool_replaces_what_is_still_booting(autojump_clock: Clock) -> None:
    before, after = FakeCLI(), FakeCLI()
    async with pool_of(before, evolve(ONE, max_size=1, warmup_on_startup=False)) as pool:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, pool)
            await trio.sleep(BOOT / 2)
            pool.renew(after, Session)
        await trio.sleep(2)
        assert (before.alive, after.alive) == (0, 1)
        await ask(pool)
        assert (len(before.launched), len(after.launched)) == (1, 1)


# -- What a process does not take


@pytest.mark.parametrize(("size", "limit"), [(100, 10.0), (20_000_000, 30.0)])
async def test_write_timeout_goes_by_the_size(
    autojump_clock: Clock, size: int, limit: float
) -> None:
    class Deaf(FakeProcess):
        async def send_all(self, data: bytes) -> None:
            await trio.sleep_forever()

    stream = LineStream(Deaf(1), 1000, write_timeout=10.0)
    start = trio.current_time()
    with pytest.raises(ProcessStalled, match="stopped reading"):
        await stream.send(bytes(size))
    assert trio.current_time() - start == pytest.approx(limit, abs=0.01)


# -- Reuse, and none


async def test_reuse_never_lets_each_process_answer_once(autojump_clock: Clock) -> None:
    cli = FakeCLI()
    async with pool_of(cli, evolve(TWO, reuse="never")) as pool:
        answered = []
        for _ in range(6):
            answered.append(await ask(pool))
            await trio.sleep(1)
        stats = pool.statistics()
    assert len(set(answered)) == 6
    assert stats.retirements == {"single use": 6}
    assert stats.connections_reused == stats.resets == 0
    assert all(len(process.asked) <= 1 for process in cli.launched)


async def test_reuse_never_lets_nobody_wait_for_a_used_process(autojump_clock: Clock) -> None:
    settings = evolve(TWO, reuse="never")
    cli = FakeCLI(kind=IgnoresRewind)  # and whose end takes its time
    async with pool_of(cli, settings) as pool:
        await trio.sleep(1)
        start = trio.current_time()
        assert await ask(pool) != await ask(pool)  # at once, and with the same prompt
        assert trio.current_time() == start + 2 * ANSWER


async def test_enabled_false_gives_each_request_its_own_process(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "trioproxy")
    cli = FakeCLI()
    async with pool_of(cli, evolve(TWO, enabled=False)) as pool:
        assert cli.launched == []
        for number in range(1, 4):
            start = trio.current_time()
            await ask(pool)
            assert trio.current_time() - start == BOOT + ANSWER
            await trio.testing.wait_all_tasks_blocked()
            assert (len(cli.launched), cli.alive) == (number, 0)
        assert not pool.is_enabled
    result = [record.getMessage() for record in caplog.records]
    assert result.count("[POOL_MANAGER] Creating new client (pooling disabled)") == 3


async def test_enabled_false_ends_a_process_without_a_caller(
    autojump_clock: Clock,
) -> None:
    cli = FakeCLI()
    async with pool_of(cli, evolve(TWO, enabled=False)) as pool:
        with trio.move_on_after(BOOT / 2):
            await ask(pool)
        await trio.sleep(1)
        assert (len(cli.launched), cli.alive) == (1, 0)


# -- Faults of booting


@pytest.mark.parametrize("kind", [fakes.DiesAtBoot, fakes.NeverBoots])
async def test_boot_failure_gives_the_waiters_its_reason(
    autojump_clock: Clock, kind: fakes.Kind
) -> None:
    ends: list[TrioproxyError] = []

    async def client() -> None:
        with pytest.raises(TrioproxyError) as caught:
            await ask(pool)
        ends.append(caught.value)

    settings = evolve(TWO, warmup_on_startup=False, boot_timeout=3.0)
    async with pool_of(FakeCLI(kind=kind), settings) as pool, trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(client)
    assert {type(end) for end in ends} == {BootFailed}


async def test_boot_failure_is_logged_once_for_each_cause(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    cli = FakeCLI(kind=fakes.DiesAtBoot)
    async with pool_of(cli, TWO):
        await trio.sleep(600)
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert "fake words" in errors[0].getMessage()
    gaps = [b - a for a, b in zip(cli.launched_at[2:], cli.launched_at[3:], strict=False)]
    assert max(gaps) <= LONGEST + 0.25 + 0.01
    assert min(gaps) >= 0.5


async def test_backoff_holds_processes_that_boot_and_end(autojump_clock: Clock) -> None:
    cli = FakeCLI(kind=DiesYoung)
    async with pool_of(cli, TWO) as pool:
        await trio.sleep(600)
        assert len(cli.launched) <= 180  # two each time, and the times double
        assert pool.trouble is not None
        cli.kind = FakeProcess
        await trio.sleep(LONGEST + 3)
        assert pool.statistics().available_connections == 2
        assert pool.trouble is None


async def test_deaths_by_a_signal_while_booting_refuse_nobody(autojump_clock: Clock) -> None:
    cli = FakeCLI(planned=[fakes.KilledAtBoot] * 2)
    settings = evolve(TWO, warmup_on_startup=False, max_size=1, min_size=1)
    async with pool_of(cli, settings) as pool:
        start = trio.current_time()
        await ask(pool)
        assert trio.current_time() - start == 2 * 0.25 + BOOT + ANSWER
        stats = pool.statistics()
        assert (stats.boot_failures, stats.retirements) == (2, {"boot failed": 2})


async def test_deaths_by_a_signal_for_ever_are_told(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    cli = FakeCLI(planned=[fakes.KilledAtBoot] * 19)
    async with pool_of(cli, ONE) as pool:
        with pytest.raises(BootFailed, match="was ended by SIGKILL while it started"):
            await ask(pool)
        assert len(cli.launched) == 3
        with trio.fail_after(17 * LONGEST):
            while pool.trouble is not None:  # noqa: ASYNC110 - on the test's clock
                await trio.sleep(0.5)
        start = trio.current_time()
        await ask(pool)
        assert trio.current_time() - start == ANSWER
    assert [record.levelname for record in caplog.records[:3]] == ["WARNING", "WARNING", "ERROR"]


async def test_refusals_of_one_cause_are_exceptions_of_their_own(autojump_clock: Clock) -> None:
    async with pool_of(FakeCLI(kind=fakes.DiesAtBoot), ONE) as pool:
        await trio.sleep(1)
        errors = []
        for _ in range(3):
            with pytest.raises(BootFailed) as caught:
                pool.submit(turn())
            errors.append(caught.value)
        assert len(set(map(id, errors))) == 3
        assert len({error.log_message for error in errors}) == 1
        frames = [frame for frame, _ in traceback.walk_tb(errors[0].__traceback__)]
        assert len(frames) == 2  # this test, and the pool: nothing of the others


async def test_slow_reset_keeps_nobody_waiting(autojump_clock: Clock) -> None:
    cli = FakeCLI(planned=[fakes.StallsForGood])
    settings = PoolSettings(min_size=1, max_size=2, reset_timeout=5.0)
    async with pool_of(cli, settings) as pool:
        await trio.sleep(1)
        cli.kind = FakeProcess
        for answer in (pool.submit(turn()),):
            await answer.receive()
            answer.release()
        start = trio.current_time()
        await ask(pool)
        assert trio.current_time() - start <= 0.25 + BOOT + ANSWER


async def test_boot_failure_recovers_with_min_size_0_too(autojump_clock: Clock) -> None:
    cli = FakeCLI(kind=fakes.DiesAtBoot)
    settings = PoolSettings(min_size=0, max_size=1)
    async with pool_of(cli, settings) as pool:
        with pytest.raises(BootFailed):
            await ask(pool)
        with pytest.raises(BootFailed):
            pool.submit(turn())
        cli.kind = FakeProcess
        await trio.sleep(1)
        await ask(pool)


# -- The end


async def test_drain_timeout_lets_answers_end(autojump_clock: Clock) -> None:
    async def client() -> None:
        await ask(pool)
        done.append(trio.current_time())

    done: list[float] = []
    async with trio.open_nursery() as nursery:
        async with pool_of(FakeCLI(), evolve(ONE, drain_timeout=30.0)) as pool:
            nursery.start_soon(client)
            await trio.testing.wait_all_tasks_blocked()
        assert done == [BOOT + ANSWER]
        assert trio.current_time() == BOOT + ANSWER


async def test_drain_timeout_ends_the_rest(autojump_clock: Clock) -> None:
    cli = FakeCLI(kind=fakes.StallsMidAnswer)
    async with pool_of(cli, evolve(ONE, drain_timeout=30.0)) as pool:
        answer = pool.submit(turn())
        await answer.receive()
    assert trio.current_time() == BOOT + 30.0
    with pytest.raises(PoolClosed, match="stopped before the answer was complete"):
        await answer.receive()
    answer.release()


async def test_turn_timeout_kills_a_process_that_hangs_for_good(autojump_clock: Clock) -> None:
    cli = FakeCLI(planned=[fakes.StallsForGood])
    async with pool_of(cli, evolve(ONE, turn_timeout=20.0)) as pool:
        with pytest.raises(TurnTimeout, match="turn_timeout"):
            await ask(pool)
        await trio.sleep(ONE.reset_timeout + 1)
        assert pool.statistics().retirements == {"not proven clean": 1}
        assert pool.statistics().turn_timeouts == 1
        assert pool.statistics().available_connections == 1
