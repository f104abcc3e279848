"""The log as operators know it: the wording, the order, and counts that are true."""

import re
import signal
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import trio

from tests.ports import reserved_port
from tests.real.programs import OFFLINE, ONE, command, environment, request

pytestmark = pytest.mark.real

POOLED = r"""
\[STARTUP\] Configuring connection pool manager\.\.\.
\[POOL_MANAGER\] Claude instance pool configured \(min: 2, max: 10\)
\[POOL\] Initializing Claude instance pool \(min=2, max=10\)
\[POOL\] Created new pooled connection (?P<a>\w{6})
\[POOL\] Created new pooled connection (?P<b>\w{6})
\[POOL\] Claude instance pool initialized successfully with 2 connections
\[STARTUP\] Claude connection pool initialized successfully
\[API\] Acquiring Claude client from pool for message request
\[POOL_MANAGER\] Acquiring client from pool
\[POOL\] Reusing existing connection (?P<c>(?P=a)|(?P=b)) \(use_count: 1, pool_size: 2\)
\[POOL_MANAGER\] Acquired pooled connection (?P=c) \(use_count: 1\)
\[API\] Releasing Claude client connection (?P=c) back to pool
\[POOL_MANAGER\] Releasing connection (?P=c) back to pool
\[POOL\] Released connection (?P=c) back to pool \(available: 2, in_use: 0\)
\[API\] Acquiring Claude client from pool for message request
\[POOL_MANAGER\] Acquiring client from pool
\[POOL\] Reusing existing connection (?P=c) \(use_count: 2, pool_size: 2\)
\[POOL_MANAGER\] Acquired pooled connection (?P=c) \(use_count: 2\)
\[API\] Releasing Claude client connection (?P=c) back to pool
\[POOL_MANAGER\] Releasing connection (?P=c) back to pool
\[POOL\] Released connection (?P=c) back to pool \(available: 2, in_use: 0\)
\[SHUTDOWN\] Shutting down Claude connection pool\.\.\.
\[POOL\] Shutting down Claude instance pool \(destroying 2 connections\)
\[POOL\] Destroyed connection (?P<d>(?P=a)|(?P=b)) \(total remaining: 1\)
\[POOL\] Destroyed connection (?!(?P=d))(?:(?P=a)|(?P=b)) \(total remaining: 0\)
\[POOL\] Claude instance pool shutdown complete
\[SHUTDOWN\] Claude connection pool shut down successfully
"""

UNPOOLED = r"""
\[STARTUP\] Claude connection pooling is disabled
\[API\] Acquiring Claude client from pool for message request
\[POOL_MANAGER\] Creating new client \(pooling disabled\)
"""


async def log_of(
    tmp_path: Path, requests: int, **env: str
) -> tuple[list[str], list[dict[str, Any]]]:
    """The log of a server that is started, asked so often, and stopped; its answers."""
    with reserved_port() as port:
        url = f"http://127.0.0.1:{port}"
        log = tmp_path / "log"
        answers = []
        with log.open("wb") as file, trio.fail_after(30):
            process = await trio.lowlevel.open_process(
                command(port), stderr=file, cwd=tmp_path, env=environment(OFFLINE | env)
            )
            try:
                await wait_for(log, "Running on http")
                if env.get("POOL_SETTINGS__ENABLED") != "false":
                    await wait_for(log, "Claude connection pool initialized")
                async with httpx.AsyncClient() as http:
                    for _ in range(requests):
                        body = request("hello", stream=False)
                        answers.append((await http.post(f"{url}/v1/messages", json=body)).json())
                        await trio.sleep(0.3)  # so that each line has its turn
                    answers.append((await http.get(f"{url}/pool/stats")).json())
            finally:
                process.send_signal(signal.SIGTERM)
                with trio.move_on_after(10, shield=True):
                    await process.wait()
    return log.read_text().splitlines(), answers


async def wait_for(log: Path, text: str) -> None:
    while text not in log.read_text():  # noqa: ASYNC110 - a file tells nobody
        await trio.sleep(0.02)


def messages(lines: list[str]) -> str:
    """What the pool's lines say, less time and level."""
    found = [re.search(r"(?:INFO|DEBUG) +(\[[A-Z_]+\] .*)", line) for line in lines]
    return "".join(f"{match[1]}\n" for match in found if match)


async def test_the_lines_of_a_pool(tmp_path: Path) -> None:
    env = {"LOG_LEVEL": "DEBUG", "POOL_SETTINGS__BINDING": "any", "LOGGING__REQUESTS": "false"}
    lines, (*_, stats) = await log_of(tmp_path, 2, **env)
    assert re.fullmatch(POOLED.lstrip(), messages(lines)), messages(lines)
    assert stats["pool_enabled"] is True
    assert list(stats["stats"])[:8] == [
        "connections_created",
        "connections_destroyed",
        "connections_reused",
        "acquire_timeouts",
        "health_check_failures",
        "total_connections",
        "available_connections",
        "in_use_connections",
    ]
    assert stats["stats"]["connections_created"] == stats["stats"]["boots"] == 2
    assert 0.05 < stats["stats"]["boot_seconds"]["p50"] < 20
    assert max(worker["rss"] for worker in stats["stats"]["workers"]) > 50_000_000


async def test_the_lines_without_a_pool(tmp_path: Path) -> None:
    env = {"LOG_LEVEL": "DEBUG", "POOL_SETTINGS__ENABLED": "false"}
    lines, (first, second, stats) = await log_of(tmp_path, 2, **env)
    message = messages(lines)
    assert re.match(UNPOOLED.lstrip(), message), message
    assert message.count("Creating new client (pooling disabled)") == 2
    assert message.count("Created new connection") == message.count("Destroyed connection") == 2
    assert (stats["pool_enabled"], stats["stats"]) == (False, None)
    assert first["type"] == second["type"] == "message"


REQUEST = (
    r"\[REQUEST\] id=req_\w+ method=POST route=/v1/messages status=200 model=claude-haiku-4-5"
    r" worker=\w{6} total=[\d.]+ sent=\d+ first=[\d.]+ input_tokens=\d+"
    r" output_tokens=\d+ cache_read_tokens=0 cache_write_tokens=0"
    r" waited=[\d.]+ reset=[\d.]+ cost=(0\.0\d+)$"
)


async def test_a_line_for_each_request_that_says_nothing_of_what_was_said(tmp_path: Path) -> None:
    lines, (*_, stats) = await log_of(tmp_path, 2, **ONE)
    found = [line for line in lines if "[REQUEST]" in line]
    costs = [re.findall(REQUEST, line) for line in found]
    assert list(map(len, costs)) == [1, 1], found  # none for an operator's look at the statistics
    assert sum(float(cost) for (cost,) in costs) == pytest.approx(
        sum(stats["stats"]["cost_usd"].values())
    )
    assert not any("hello" in line for line in lines)


async def test_what_a_process_costs_that_answers_once(tmp_path: Path) -> None:
    lines, _ = await log_of(tmp_path, 2, POOL_SETTINGS__ENABLED="false")
    assert len([line for line in lines if re.search(REQUEST, line)]) == 2, lines


async def test_what_was_said_is_in_the_log_if_the_operator_wants_it(tmp_path: Path) -> None:
    lines, _ = await log_of(tmp_path, 1, LOGGING__BODIES="true", AUTH_TOKEN="", **ONE)
    (found,) = [line for line in lines if "[BODIES]" in line]
    assert '"hello"' in found
    assert '"stop_reason":"end_turn"' in found


async def test_json_lines_name_the_request(tmp_path: Path) -> None:
    env = {"LOG_LEVEL": "DEBUG", "LOGGING__FORMAT": "json", **ONE}
    lines, _ = await log_of(tmp_path, 1, **env)
    ours = [orjson.loads(line) for line in lines if line.startswith("{")]
    assert {"time", "level", "logger", "message"} <= set.intersection(*map(set, ours))
    of_a_request = [our for our in ours if "Acqui" in our["message"] or "Relea" in our["message"]]
    (request_id,) = {item.get("request_id") for item in of_a_request}
    assert str(request_id).startswith("req_")
    assert {our["logger"] for our in ours} >= {"trioproxy.app", "trioproxy.pool", "trioproxy.web"}
