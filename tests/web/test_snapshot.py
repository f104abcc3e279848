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
from trioproxy.pool.job import Course
from trioproxy.pool.pool import Pool, open_pool
from trioproxy.settings import HttpPoolSettings, PoolSettings
from trioproxy.web.book import Book, Second, Tokens
from trioproxy.web.snapshot import snapshot

TWO = PoolSettings(min_size=2, max_size=4, spare_size=0)
STAGES = ["waiting", "binding", "thinking", "streaming", "resetting"]
LATER = 1_800_000_000.5  # Unix time


@define(eq=False)
class Server:
    """What there is to tell of."""

    pool: Pool
    client: ForwardClient
    book: Book

    def told(self, *, settings: PoolSettings | None = None) -> dict[str, Any]:
        found = snapshot(
            self.pool,
            self.client,
            self.book,
            now=trio.current_time(),
            is_offline=True,
            is_closing=False,
            settings=settings,
        )
        read: dict[str, Any] = orjson.loads(orjson.dumps(found))
        return read


@asynccontextmanager
async def server(settings: PoolSettings = TWO) -> AsyncGenerator[Server]:
    upstreams = {"up": read_upstream("up", "http://127.0.0.1:1")}
    async with (
        open_forward_client(upstreams, HttpPoolSettings()) as client,
        open_pool(settings, FakeCLI(), max_line_size=1_000_000) as pool,
    ):
        await trio.sleep(2 * BOOT)
        yield Server(pool, client, Book())


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: LATER)


async def test_it_tells_of_the_server_and_both_pools(autojump_clock: MockClock) -> None:
    async with server() as one:
        told = one.told(settings=TWO)
    assert (told["pid"], told["version"]) == (os.getpid(), trioproxy.__version__)
    assert (told["offline"], told["closing"]) == (True, False)
    assert (told["starting"], told["trouble"]) == (False, None)
    assert told["uptime"] >= 0
    assert [worker["state"] for worker in told["pool"]["workers"]] == ["idle", "idle"]
    assert told["http_pool"]["up"]["url"] == "http://127.0.0.1:1"
    assert told["settings"]["max_size"] == 4
    assert told["running"] == told["latest"] == told["history"] == []
    assert told["recent"] == {"ended": 0, "failed": 0, "p50": None, "p90": None, "p99": None}


async def test_without_pooling_there_is_no_pool_to_tell_of(autojump_clock: MockClock) -> None:
    async with server(evolve(TWO, enabled=False)) as one:
        told = one.told()
    assert (told["pool"], told["settings"]) == (None, None)


async def test_a_running_request_says_where_its_time_went(autojump_clock: MockClock) -> None:
    async with server() as one:
        with one.book.entry("req_1", "POST", "/v1/messages") as entry:
            start = trio.current_time()
            entry.route = "/v1/messages"
            entry.course = course = Course()
            seen = []
            for name in ("taken", "read", "begun"):
                await trio.sleep(1)
                seen.append(one.told()["running"][0])
                setattr(course, name, start + len(seen))
            await trio.sleep(1)
            seen.append(one.told()["running"][0])
        await trio.sleep(1)
        seen.append(one.told()["running"][0])
        assert one.told()["latest"] == []
        course.cost = 0.5
        course.settle()
        await trio.sleep(1)
        (ended,) = one.told()["latest"]
        assert one.told()["running"] == []
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
    async with server() as one:
        with one.book.entry("req_1", "POST", "/v1/messages") as entry:
            begun = trio.current_time()
            entry.course = Course(taken=begun + 3, read=begun + 1)
            await trio.sleep(4)
            spent = one.told()["running"][0]["spent"]
    assert list(spent.values()) == [3, 0, 1, 0, 0]


async def test_a_real_turn_adds_up_too(autojump_clock: MockClock) -> None:
    async with server() as one:
        with (
            one.book.entry("req_1", "POST", "/v1/messages") as entry,
            one.pool.submit(turn()) as answer,
        ):
            entry.course = answer.course
            async for _ in answer:
                pass
        await trio.testing.wait_all_tasks_blocked()
        (told,) = one.told()["latest"]
    assert sum(told["spent"].values()) == pytest.approx(told["seconds"])
    assert told["spent"]["streaming"] == pytest.approx(1)
    assert told["cost"] == fakes.COST


async def test_what_asks_no_model_has_a_first_byte_too(autojump_clock: MockClock) -> None:
    async with server() as one:
        with one.book.entry("req_1", "GET", "/proxy/up/x") as entry:
            await trio.sleep(2)
            entry.first_byte = trio.current_time()
            await trio.sleep(1)
        (told,) = one.told()["latest"]
    assert list(told["spent"].values()) == [0, 0, 2, 1, 0]


async def test_the_latest_come_newest_first(autojump_clock: MockClock, later: None) -> None:
    async with server() as one:
        for number in range(3):
            with one.book.entry(f"req_{number}", "POST", "/v1/messages") as entry:
                entry.status = 200
                entry.sent = 10 * number
                await trio.sleep(1)
        entry.tokens = Tokens(input=3, output=4)
        first, *_, last = one.told()["latest"]
    assert (first["id"], last["id"]) == ("req_2", "req_0")
    assert (first["at"], last["at"]) == (LATER, LATER - 2)
    assert (first["status"], first["sent"], first["stage"]) == (200, 20, "done")
    assert first["tokens"] == {"input": 3, "output": 4, "cache_read": 0, "cache_write": 0}
    assert last["tokens"] is None


async def test_viewers_are_counted_and_not_listed(autojump_clock: MockClock) -> None:
    async with server() as one:
        with one.book.entry("req_1", "GET", "/status") as entry:
            entry.route = "/status"
        with one.book.entry("req_2", "GET", "/status/events") as entry:
            entry.route = "/status/events"
            told = one.told()
    assert (told["watching"], told["running"], told["latest"]) == (1, [], [])


async def test_nothing_that_a_caller_types_is_told(autojump_clock: MockClock) -> None:
    async with server() as one:
        with one.book.entry("req_1", "GET", "/<script>secret") as entry:
            entry.model = "a\x1b[31mb\u202ec\ud800"
            entry.failure = "x" * 1000
            text = orjson.dumps(one.told()).decode()
        (told,) = one.told()["latest"]
    assert "script" not in text
    assert told["model"] == "a\ufffd[31mb\ufffdc\ufffd"
    assert len(told["failure"]) == 200


async def test_the_history_has_five_minutes(autojump_clock: MockClock, later: None) -> None:
    now = int(LATER)
    async with server() as one:
        one.book.history.append(Second(now - 400, 1, [9.0]))
        one.book.history.append(Second(now - 10, 1, [1.0, 2.0, 3.0]))
        one.book.history.append(Second(now, 0, [4.0]))
        told = one.told()
        one.book.history[-1].times.append(6.0)
        then = one.told()
    assert told["history"] == [[now - 10, 3, 1, 2.0, 3.0], [now, 1, 0, 4.0, 4.0]]
    assert then["history"][-1] == [now, 2, 0, 4.0, 6.0]
    assert (told["recent"]["ended"], told["recent"]["failed"]) == (4, 1)
    assert then["recent"]["p99"] == 6.0


async def test_the_percentiles_are_of_the_latest_thousand(
    autojump_clock: MockClock, later: None
) -> None:
    now = int(LATER)
    async with server() as one:
        one.book.history.append(Second(now - 2, 0, [9.0] * 800))
        one.book.history.append(Second(now - 1, 0, [9.0] * 50 + [5.0] * 400))
        one.book.history.append(Second(now, 0, [1.0] * 600))
        recent = one.told()["recent"]
    assert (recent["ended"], recent["p50"], recent["p99"]) == (1850, 1.0, 5.0)
