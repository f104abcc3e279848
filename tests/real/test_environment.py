"""What a CLI process really has in its environment, when its server was started with far more."""

import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from tests.ports import reserved_port
from tests.real.programs import request
from trioproxy.claude.command import FIXED_ENVIRONMENT, MAX_RETRIES
from trioproxy.standin import StandIn, serve_standin

pytestmark = [pytest.mark.real, pytest.mark.skipif(sys.platform != "linux", reason="/proc")]

TOKEN = "token-of-a-caller"
ACCOUNT = {
    "ANTHROPIC_API_KEY": "dummy",
    "CLAUDE_CODE_API_KEY_HELPER_TTL_MS": "1000",
    "AWS_PROFILE": "nobody",
    "NO_PROXY": "127.0.0.1",
    "LC_TIME": "C",
}
SETTINGS = {
    "AUTH__TOKENS": f'{{"alice": "{TOKEN}"}}',
    "auth_token": "a spelling that is not read",
    "HTTP_POOL__PROXY": "http://me:hunter2@127.0.0.1:9",
    "count_tokens__api_key": "a key for counting",
    "LOG_LEVEL": "WARNING",
    "Pool_Settings__Min_Size": "1",
    "POOL_SETTINGS__BINDING": "any",
    "CLAUDE__ENV": '{"ADDED": "by the operator"}',
    "CLAUDE__PASS_ENV": '["PASSED_*", "CLAUDECODE"]',
}
MORE = {"PASSED_ON": "1", "CLAUDECODE": "1"}
OTHERS = {
    "DATABASE_URL": "postgres://me:hunter2@db",
    "CLAUDE_CODE_SESSION_ID": "of a parent",
    "TERM": "xterm",
    "PYTHONDONTWRITEBYTECODE": "1",
}
SET = {*FIXED_ENVIRONMENT, MAX_RETRIES, "ADDED"}


@asynccontextmanager
async def serving(cwd: Path, environ: Mapping[str, str], *options: str) -> AsyncGenerator[str]:
    """The address of a `trioproxy serve` in a process of its own."""
    with reserved_port() as port:
        command = [sys.executable, "-m", "trioproxy", "serve", "--port", str(port), *options]
        run = partial(trio.run_process, check=False, cwd=cwd, env=environ, capture_stderr=True)
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(run, command))
            yield f"http://127.0.0.1:{port}"
            nursery.cancel_scope.cancel()


async def answered(url: str) -> tuple[int, int]:
    """Ask for a message as soon as there is a server: the status, and the CLI process's id."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        with trio.fail_after(30):
            while True:
                try:
                    await client.get("/health/live")
                    break
                except httpx.TransportError:
                    await trio.sleep(0.05)
        answer = await client.post("/v1/messages", json=request("hello", stream=False))
        (worker,) = (await client.get("/pool/stats")).json()["stats"]["workers"]
    return answer.status_code, worker["pid"]


def environment_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(line.split("=", 1) for line in lines if line)


def usual(home: Path) -> dict[str, str]:
    # Without LANG, Python sets LC_CTYPE for itself and for what it starts.
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}


async def test_a_process_has_what_it_needs_and_no_setting_of_the_server(tmp_path: Path) -> None:
    standin = StandIn()
    async with trio.open_nursery() as nursery:
        base_url: str = await nursery.start(serve_standin, standin)
        needs = {**usual(tmp_path), **ACCOUNT, "ANTHROPIC_BASE_URL": base_url}
        async with serving(tmp_path, {**needs, **MORE, **SETTINGS, **OTHERS}) as url:
            status, pid = await answered(url)
            found = environment_of(pid)
        nursery.cancel_scope.cancel()
    assert status == 200
    assert len(standin.record.messages) == 1
    assert set(found) == {*needs, *MORE, *SET, "TMPDIR"}
    own = found.pop("HOME")  # it needs nothing of the operator's
    assert own not in {"", str(tmp_path)}
    del needs["HOME"]
    assert found.items() >= {**needs, **MORE, "ADDED": "by the operator"}.items()


async def test_offline_it_has_next_to_nothing(tmp_path: Path) -> None:
    environ = {**usual(tmp_path), "TZ": "UTC"}
    polluted = {**environ, **ACCOUNT, **MORE, **SETTINGS, **OTHERS}
    async with serving(tmp_path, polluted, "--offline") as url:
        status, pid = await answered(url)
        found = environment_of(pid)
    assert status == 200
    assert set(found) == {*environ, "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", *SET, "TMPDIR"}
    assert found["ANTHROPIC_API_KEY"] == "offline"
    assert found["HOME"] != str(tmp_path)
