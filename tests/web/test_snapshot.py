"""What `/status` tells, of a pool in memory and of requests that are written into a book."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
import trio
from attrs import define, evolve
from trio.testing import MockClock

import trioproxy
from tests import fakes
from tests.fakes import BOOT, FakeCLI, turn
from trioproxy.forward.client import ForwardClient, open_forward_client
from trioproxy.forward.upstream import read_upstream
from trioproxy.pool.job import TurnTimings
from trioproxy.pool.pool import Pool, open_pool
from trioproxy.settings import HttpPoolSettings, PoolSettings
from trioproxy.web.gate.drain_gate import DrainGate
from trioproxy.web.observe.registry import RequestRegistry, SecondBucket, Usage
from trioproxy.web.observe.snapshot import Snapshot

TWO = PoolSettings(min_size=2, max_size=4)
STAGES = ["waiting", "binding", "thinking", "streaming", "resetting"]
LATER = 1_800_000_000.5  # Unix time


@define(eq=False)
class Server:
    """What there is to tell of."""

    pool: Pool
    client: ForwardClient
    registry: RequestRegistry

    def result(self, *, settings: PoolSettings | None = None) -> dict[str, Any]:
        snapshot = Snapshot(
            self.pool, self.client, self.registry, DrainGate(10), settings, is_offline=True
        )
        read: dict[str, Any] = orjson.loads(orjson.dumps(snapshot(trio.current_time())))
        return read


@asynccontextmanager
async def server(settings: PoolSettings = TWO) -> AsyncGenerator[Server]:
    upstreams = {"up": read_upstream("up", "http://127.0.0.1:1")}
    async with (
        open_forward_client(upstreams, HttpPoolSettings()) as client,
        open_pool(settings, FakeCLI(), max_line_size=1_000_000) as pool,
    ):
        await trio.sleep(2 * BOOT)
        yield Server(pool, client, RequestRegistry())


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: LATER)


async def test_it_tells_of_the_server_and_both_pools(autojump_clock: MockClock) -> None:
    async with server() as running:
        result = running.result(settings=TWO)
    assert (result["pid"], result["version"]) == (os.getpid(), trioproxy.__version__)
    assert (result["offline"], result["closing"]) == (True, False)
    assert (result["starting"], result["trouble"]) == (False, None)
    assert result["uptime"] >= 0
    assert [worker["state"] for worker in result["pool"]["workers"]] == ["idle", "idle"]
    assert result["http_pool"]["up"]["url"] == "http://127.0.0.1:1"
    assert result["settings"]["max_size"] == 4
    assert result["running"] == result["latest"] == result["history"] == []
    assert result["recent"] == {"ended": 0, "failed": 0, "p50": None, "p90": None, "p99": None}


async def test_without_pooling_there_is_no_pool_to_tell_of(autojump_clock: MockClock) -> None:
    async with server(evolve(TWO, enabled=False)) as running:
        result = running.result()
    assert (result["pool"], result["settings"]) == (None, None)


async def test_a_running_request_says_where_its_time_went(autojump_clock: MockClock) -> None:
    async with server() as running:
        with running.registry.record("req_1", "POST", "/v1/messages") as record:
            start = trio.current_time()
            record.route = "/v1/messages"
            record.timings = timings = TurnTimings()
            seen = []
            for name in ("assigned_at", "accepted_at", "first_event_at"):
                await trio.sleep(1)
                seen.append(running.result()["running"][0])
                setattr(timings, name, start + len(seen))
            await trio.sleep(1)
            seen.append(running.result()["running"][0])
        await trio.sleep(1)
        seen.append(running.result()["running"][0])
        assert running.result()["latest"] == []
        timings.cost = 0.5
        timings.mark_done()
        await trio.sleep(1)
        (ended,) = running.result()["latest"]
        assert running.result()["running"] == []
    assert [it["stage"] for it in seen] == STAGES
    assert [it["seconds"] for it in seen] == [1, 2, 3, 4, 4]
    assert [list(it["spent"].values()) for it in seen] == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 1, 1, 1],
    ]
    assert list(seen[0]["spent"]) == STAGES
    assert (ended["stage"], ended["cost"]) == ("done", 0.5)
    assert ended["spent"] == dict.fromkeys(STAGES, 1)


async def test_a_turn_that_was_taken_twice_still_adds_up(autojump_clock: MockClock) -> None:
    async with server() as running:
        with running.registry.record("req_1", "POST", "/v1/messages") as record:
            begun = trio.current_time()
            record.timings = TurnTimings(assigned_at=begun + 3, accepted_at=begun + 1)
            await trio.sleep(4)
            spent = running.result()["running"][0]["spent"]
    assert list(spent.values()) == [3, 0, 1, 0, 0]


async def test_a_real_turn_adds_up_too(autojump_clock: MockClock) -> None:
    async with server() as running:
        with (
            running.registry.record("req_1", "POST", "/v1/messages") as record,
            running.pool.submit(turn()) as answer,
        ):
            record.timings = answer.timings
            async for _ in answer:
                pass
        await trio.testing.wait_all_tasks_blocked()
        (result,) = running.result()["latest"]
    assert sum(result["spent"].values()) == pytest.approx(result["seconds"])
    assert result["spent"]["streaming"] == pytest.approx(1)
    assert result["cost"] == fakes.COST


async def test_what_asks_no_model_has_a_first_byte_too(autojump_clock: MockClock) -> None:
    async with server() as running:
        with running.registry.record("req_1", "GET", "/proxy/up/x") as record:
            await trio.sleep(2)
            record.first_byte_at = trio.current_time()
            await trio.sleep(1)
        (result,) = running.result()["latest"]
    assert list(result["spent"].values()) == [0, 0, 2, 1, 0]


async def test_the_latest_come_newest_first(autojump_clock: MockClock, later: None) -> None:
    async with server() as running:
        for number in range(3):
            with running.registry.record(f"req_{number}", "POST", "/v1/messages") as record:
                record.status = 200
                record.sent = 10 * number
                await trio.sleep(1)
        record.usage = Usage(input=3, output=4)
        first, *_, last = running.result()["latest"]
    assert (first["id"], last["id"]) == ("req_2", "req_0")
    assert (first["at"], last["at"]) == (LATER, LATER - 2)
    assert (first["status"], first["sent"], first["stage"]) == (200, 20, "done")
    assert first["tokens"] == {"input": 3, "output": 4, "cache_read": 0, "cache_write": 0}
    assert last["tokens"] is None


async def test_viewers_are_counted_and_not_listed(autojump_clock: MockClock) -> None:
    async with server() as running:
        with running.registry.record("req_1", "GET", "/status") as record:
            record.route = "/status"
        with running.registry.record("req_2", "GET", "/status/events") as record:
            record.route = "/status/events"
            result = running.result()
    assert (result["watching"], result["running"], result["latest"]) == (1, [], [])


async def test_nothing_that_a_caller_types_is_told(autojump_clock: MockClock) -> None:
    async with server() as running:
        with running.registry.record("req_1", "GET", "/<script>secret") as record:
            record.model = "a\x1b[31mb\u202ec\ud800"
            record.failure = "x" * 1000
            text = orjson.dumps(running.result()).decode()
        (result,) = running.result()["latest"]
    assert "script" not in text
    assert result["model"] == "a\ufffd[31mb\ufffdc\ufffd"
    assert len(result["failure"]) == 200


async def test_the_history_has_five_minutes(autojump_clock: MockClock, later: None) -> None:
    now = int(LATER)
    async with server() as running:
        running.registry.history.append(SecondBucket(now - 400, 1, [9.0]))
        running.registry.history.append(SecondBucket(now - 10, 1, [1.0, 2.0, 3.0]))
        running.registry.history.append(SecondBucket(now, 0, [4.0]))
        result = running.result()
        running.registry.history[-1].times.append(6.0)
        then = running.result()
    assert result["history"] == [[now - 10, 3, 1, 2.0, 3.0], [now, 1, 0, 4.0, 4.0]]
    assert then["history"][-1] == [now, 2, 0, 4.0, 6.0]
    assert (result["recent"]["ended"], result["recent"]["failed"]) == (4, 1)
    assert then["recent"]["p99"] == 6.0


async def test_the_percentiles_are_of_the_latest_thousand(
    autojump_clock: MockClock, later: None
) -> None:
    now = int(LATER)
    async with server() as running:
        running.registry.history.append(SecondBucket(now - 2, 0, [9.0] * 800))
        running.registry.history.append(SecondBucket(now - 1, 0, [9.0] * 50 + [5.0] * 400))
        running.registry.history.append(SecondBucket(now, 0, [1.0] * 600))
        recent = running.result()["recent"]
    assert (recent["ended"], recent["p50"], recent["p99"]) == (1850, 1.0, 5.0)
