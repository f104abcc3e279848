"""What is to be known of this machine, and the seconds that are counted meanwhile."""

import logging
import os
import socket
import sys
from pathlib import Path

import psutil
import pytest
import trio
import trio.testing

from trioproxy.cli import facts
from trioproxy.cli.listeners import listener
from trioproxy.cli.progress import watched
from trioproxy.pool import program

HOSTS = [("127.0.0.1", socket.AF_INET)]
if socket.has_dualstack_ipv6():
    HOSTS.append(("::1", socket.AF_INET6))

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="it is read from /proc")


def test_versions() -> None:
    found = facts.versions(["trio", "no-such-package-at-all"])
    assert found == {"trio": trio.__version__, "no-such-package-at-all": None}


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        assert facts.binding_error("127.0.0.1", port) is not None
    assert facts.binding_error("127.0.0.1", port) is None


@on_linux
@pytest.mark.parametrize(("host", "family"), HOSTS)
def test_who_listens(host: str, family: socket.AddressFamily) -> None:
    with socket.create_server((host, 0), family=family) as taken:
        found = listener(taken.getsockname()[1])
    assert found is not None
    assert found.endswith(f"(process {os.getpid()})")


def test_nobody_is_known_where_the_system_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(kind: str) -> list[object]:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", denied)
    assert listener(80) is None


@on_linux
def test_memory() -> None:
    assert facts.available_memory() > 10_000_000


@pytest.mark.parametrize(
    ("most", "used", "rest"), [("300\n", "100\n", 200), ("100", "300", 0), ("max\n", "1", None)]
)
def test_memory_of_a_container(tmp_path: Path, most: str, used: str, rest: int | None) -> None:
    (tmp_path / "memory.max").write_text(most)
    (tmp_path / "memory.current").write_text(used)
    assert facts._of_group(tmp_path) == rest


def test_files() -> None:
    assert facts.files_limit() > 10


def test_only_the_warnings_of_the_pool_are_kept() -> None:
    with facts.pool_warnings() as lines:
        logging.getLogger("trioproxy.pool").info("quiet")
        logging.getLogger("trioproxy.pool").warning("loud %d", 3)
        logging.getLogger("trioproxy.app").warning("other")
    logging.getLogger("trioproxy.pool").warning("late")
    assert lines == ["loud 3"]


@on_linux
async def test_a_program_is_killed_with_all_that_it_has_started(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    script = f"sleep 60 & echo $! > {file}.new; mv {file}.new {file}; wait"
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(program.run, ["sh", "-c", script], {"PATH": os.environ["PATH"]})
            while not file.exists():  # noqa: ASYNC110 - no event
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        while _is_alive(int(file.read_text())):  # noqa: ASYNC110 - no event
            await trio.sleep(0.01)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


async def work(seconds: float) -> str:
    await trio.sleep(seconds)
    return "done"


@pytest.mark.parametrize(
    ("seconds", "is_terminal", "result"),
    [(0.9, True, []), (3.5, False, []), (3.5, True, [1, 2, 3])],
)
async def test_seconds_are_counted(
    seconds: float,
    is_terminal: bool,  # noqa: FBT001 - pytest passes it by name
    result: list[int],
    capsys: pytest.CaptureFixture[str],
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def working() -> str:
        return await work(seconds)

    assert await watched("it", working, is_terminal=is_terminal) == "done"
    # Here is no terminal: click leaves out what erases the line.
    counted = "".join(f"\r        it: {second} s" for second in result)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", counted + "\r" * bool(result))
