"""Faults of a real process, in every state of its worker: the pool stays whole."""

import os
import shutil
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio
from attrs import evolve, frozen

from tests.real.servers import environment
from trioproxy.claude.binary import wheel_binary
from trioproxy.claude.command import build_command
from trioproxy.claude.prompts import PromptSlots, write_plugin
from trioproxy.claude.session import Session
from trioproxy.claude.turn import Message, Turn
from trioproxy.errors import ApiError, BootFailed, TrioproxyError
from trioproxy.pool.guard import open_guard
from trioproxy.pool.pool import Pool, open_pool
from trioproxy.pool.process import Process, open_process
from trioproxy.settings import PoolSettings
from trioproxy.standin import Pace, StandIn, serve_standin

pytestmark = pytest.mark.real

SETTINGS = PoolSettings(
    min_size=1,
    max_size=2,
    health_check_interval=0.3,
    health_timeout=1.0,
    boot_timeout=30.0,
    turn_timeout=3.0,
    reset_timeout=1.0,
    stop_timeout=1.0,
    acquire_timeout=30.0,
)
SLOW = "[[standin words=50 rate=50]]"  # a second


@frozen
class Bench:
    """A pool over real processes, each of which is at hand."""

    pool: Pool
    processes: list[Process]
    standin: StandIn

    async def ask(self, text: str = "hello", system: str = "Be brief.") -> str:
        with self.pool.submit(turn(text, system)) as answer:
            await answer.wait_taken()
            events = [event async for batch in answer for event in batch]
        return "".join(
            event["delta"]["text"] for event in events if event["type"] == "content_block_delta"
        )

    async def converse(self, *texts: str) -> None:
        """Ask the last of these, the others being said by the user and the model by turns."""
        messages = tuple(
            Message("assistant" if at % 2 else "user", ({"type": "text", "text": each},))
            for at, each in enumerate(texts)
        )
        with self.pool.submit(evolve(turn(""), messages=messages)) as answer:
            await answer.wait_taken()
            async for _ in answer:
                pass
        await self.whole()

    async def whole(self) -> None:
        """Wait until all is quiet, and see that the counts add up."""
        with trio.fail_after(30):
            while not self._is_quiet():  # noqa: ASYNC110 - there is no event for it
                await trio.sleep(0.01)
        stats = self.pool.statistics()
        created = stats.connections_created - stats.connections_destroyed
        total = stats.available_connections + stats.in_use_connections + stats.booting
        assert created == stats.total_connections == total
        assert stats.waiting == 0

    def _is_quiet(self) -> bool:
        stats = self.pool.statistics()
        return stats.available_connections == stats.total_connections >= 1

    async def in_state(self, state: str) -> Process:
        """Wait for a worker to stand there; its process."""
        with trio.fail_after(20):
            while True:
                for worker in self.pool.statistics().workers:
                    if worker.state == state and worker.pid is not None:
                        (found,) = [p for p in self.processes if p.pid == worker.pid]
                        return found
                await trio.lowlevel.checkpoint()


def turn(text: str, system: str = "Be brief.") -> Turn:
    body = Message("user", ({"type": "text", "text": text},))
    return Turn("claude-haiku-4-5", 1000, (body,), system)


@asynccontextmanager
async def bench(
    tmp_path: Path,
    settings: PoolSettings = SETTINGS,
    binary: str = "",
    key: str = "dummy",
    *,
    takes_any: bool = False,
) -> AsyncGenerator[Bench]:
    standin = StandIn(pace=Pace())
    processes: list[Process] = []
    pipes: set[str] = set()
    async with trio.open_nursery() as nursery:
        base_url: str = await nursery.start(serve_standin, standin)
        environ = environment(tmp_path, base_url) | {"ANTHROPIC_API_KEY": key}
        plugin = tmp_path / "plugin"
        write_plugin(plugin)
        command = build_command(
            binary or str(wheel_binary()),
            environ,
            str(tmp_path),
            plugin=str(plugin) if takes_any else "",
        )

        def new_session() -> Session:
            if not takes_any:
                return Session()
            slots, timeout = PromptSlots(), settings.idle_timeout
            return Session(
                command.betas,
                slots=slots,
                is_bare=command.is_bare,
                prompt_timeout=timeout,
                keeps=True,
            )

        async with open_guard() as guard:
            pipes.add(target_of(guard._pipe))

            @asynccontextmanager
            async def launch() -> AsyncGenerator[Process]:
                opened = open_process(command, guard, stop_timeout=settings.stop_timeout)
                async with opened as process:
                    processes.append(process)
                    pipes.update(map(target_of, files_of(process)))
                    yield process

            opened = open_pool(settings, launch, max_line_size=10_000_000, new_session=new_session)
            async with opened as pool:
                yield Bench(pool, processes, standin)
        nursery.cancel_scope.cancel()
    # Looked for by name: a server that other tests share has processes and files here too.
    assert not [process for process in processes if Path(f"/proc/{process.pid}").exists()]
    assert not pipes & open_files()


def files_of(process: Process) -> list[int]:
    assert isinstance(process._stderr, trio.lowlevel.FdStream)
    return [pipe.fileno() for pipe in (process._stdin, process._stdout, process._stderr)]


def target_of(file: int) -> str:
    """What an open file is: a pipe has a number that no other pipe has."""
    return os.readlink(f"/proc/self/fd/{file}")


def open_files() -> set[str]:
    found = set()
    for file in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            found.add(os.readlink(file))
    return found


def kill(process: Process) -> None:
    os.kill(process.pid, signal.SIGKILL)


def stop(process: Process) -> None:
    os.kill(process.pid, signal.SIGSTOP)


def close_stdin(process: Process) -> None:
    """The process reads the end of its input; what is written to it later goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, process._stdin.fileno())
    os.close(nowhere)


FAULTS = [kill, stop, close_stdin]
# The third is found as the first is: by the end of the output.
SHORT = [kill, stop, pytest.param(close_stdin, marks=pytest.mark.long)]
Fault = Callable[[Process], None]


@pytest.mark.parametrize("fault", SHORT)
async def test_while_booting(tmp_path: Path, fault: Fault) -> None:
    settings = evolve(SETTINGS, warmup_on_startup=False, boot_timeout=3.0)
    async with bench(tmp_path, settings) as b:

        async def first() -> None:
            try:
                assert (await b.ask()).endswith("hello")
            except BootFailed:
                failed.append(True)

        failed: list[bool] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first)
            fault(await b.in_state("booting"))
        await b.whole()
        assert (await b.ask()).endswith("hello")
        assert failed or fault is not stop  # told at once, and not at acquire_timeout
        assert not failed or fault is not kill  # which says nothing of the next
        await b.whole()


@pytest.mark.parametrize(
    ("is_bound", "fault"),
    [
        *((False, fault) for fault in FAULTS),
        (True, kill),
        *(pytest.param(True, fault, marks=pytest.mark.long) for fault in (stop, close_stdin)),
    ],
)
async def test_while_idle(tmp_path: Path, fault: Fault, is_bound: bool) -> None:  # noqa: FBT001
    async with bench(tmp_path) as b:
        if is_bound:
            await b.ask()
        victim = await b.in_state("idle")
        fault(victim)
        with trio.fail_after(20):
            while b.pool.statistics().connections_destroyed == 0:  # noqa: ASYNC110 - no event
                await trio.sleep(0.01)
        assert b.pool.statistics().health_check_failures == 1
        assert (await b.ask()).endswith("hello")
        await b.whole()
        assert b.processes[-1].pid != victim.pid


@pytest.mark.parametrize("fault", SHORT)
async def test_as_a_turn_is_handed_over(tmp_path: Path, fault: Fault) -> None:
    """The fault is not found yet when the request comes: it is answered all the same."""
    async with bench(tmp_path, evolve(SETTINGS, health_check_interval=60.0)) as b:
        fault(await b.in_state("idle"))
        assert (await b.ask()).endswith("hello")
        await b.whole()


def strike_as_it_is_written(fault: Fault, process: Process, words: bytes) -> None:
    """Have the fault come with the first write that has these words in it."""
    write = process.send_all

    async def send_all(data: bytes) -> None:
        if words in data:
            fault(process)
            vars(process).pop("send_all")
        await write(data)

    vars(process)["send_all"] = send_all


@pytest.mark.parametrize("fault", FAULTS)
async def test_while_being_given_its_prompt(tmp_path: Path, fault: Fault) -> None:
    """A prompt that is new to it: nothing is asked of the process that fails."""
    async with bench(tmp_path, takes_any=True) as b:
        assert (await b.ask(system="one")).endswith("hello")
        b.standin.record.clear()
        victim = await b.in_state("idle")
        strike_as_it_is_written(fault, victim, b"reload_plugins")
        assert (await b.ask("again", system="two")).endswith("again")
        await b.whole()
        assert b.pool.statistics().retries == 1
        assert b.processes[-1].pid != victim.pid
    (asked,) = [request.body for request in b.standin.record.messages]
    assert asked["system"][-1]["text"] == "two"


@pytest.mark.parametrize("fault", SHORT)
async def test_while_it_changes_to_a_prompt_that_it_knows(tmp_path: Path, fault: Fault) -> None:
    async with bench(tmp_path, takes_any=True) as b:
        for system in ("one", "two"):
            assert (await b.ask(system=system)).endswith("hello")
        b.standin.record.clear()
        victim = await b.in_state("idle")
        strike_as_it_is_written(fault, victim, b'"agent"')
        assert (await b.ask("again", system="one")).endswith("again")
        await b.whole()
        assert b.pool.statistics().retries == 1
    (asked,) = [request.body for request in b.standin.record.messages]
    assert asked["system"][-1]["text"] == "one"


@pytest.mark.parametrize("fault", FAULTS)
async def test_while_it_goes_back(tmp_path: Path, fault: Fault) -> None:
    """A conversation stands that the next turn does not have."""
    async with bench(tmp_path, evolve(SETTINGS, max_size=1), takes_any=True) as b:
        await b.converse("one", "yes", "two")
        victim = await b.in_state("idle")
        b.standin.record.clear()
        strike_as_it_is_written(fault, victim, b"rewind_conversation")
        await b.converse("other", "no", "three")
        await b.whole()
        assert b.pool.statistics().retries == 1
    (asked,) = [request.body for request in b.standin.record.messages]
    assert [message["content"][0]["text"] for message in asked["messages"]] == [
        "other",
        "no",
        "three",
    ]


@pytest.mark.parametrize("fault", FAULTS)
async def test_while_it_forgets(tmp_path: Path, fault: Fault) -> None:
    settings = evolve(SETTINGS, idle_timeout=1.0)
    async with bench(tmp_path, settings, takes_any=True) as b:
        assert (await b.ask(system="one")).endswith("hello")
        victim = await b.in_state("idle")
        strike_as_it_is_written(fault, victim, b"reload_plugins")
        with trio.fail_after(20):
            while b.pool.statistics().connections_destroyed == 0:  # noqa: ASYNC110 - no event
                await trio.sleep(0.01)
        assert (await b.ask(system="one")).endswith("hello")
        await b.whole()
        assert b.processes[-1].pid != victim.pid


@pytest.mark.parametrize("fault", FAULTS)
async def test_while_answering(tmp_path: Path, fault: Fault) -> None:
    async with bench(tmp_path) as b:
        with b.pool.submit(turn(SLOW)) as answer:
            await answer.wait_taken()
            await answer.receive()
            fault(await b.in_state("busy"))
            try:
                async for _ in answer:
                    pass
            except TrioproxyError:
                assert fault is not close_stdin
            else:
                assert fault is close_stdin  # it finishes what it has begun
        await b.whole()
        assert (await b.ask()).endswith("hello")
        assert b.pool.statistics().retries == 0
        await b.whole()


@pytest.mark.parametrize("fault", SHORT)
async def test_while_resetting(tmp_path: Path, fault: Fault) -> None:
    async with bench(tmp_path) as b:
        assert (await b.ask()).endswith("hello")
        fault(await b.in_state("resetting"))
        assert (await b.ask()).endswith("hello")
        await b.whole()


async def test_a_binary_that_is_replaced_by_one_that_fails(tmp_path: Path) -> None:
    real = wheel_binary()
    assert real is not None
    binary = tmp_path / "claude"
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'no such thing today' >&2\nexit 3\n")
    broken.chmod(0o755)
    binary.symlink_to(real)
    async with bench(tmp_path, binary=str(binary)) as b:
        assert (await b.ask()).endswith("hello")
        binary.unlink()
        shutil.copy(broken, binary)
        kill(await b.in_state("idle"))
        with trio.fail_after(20):
            while b.pool.trouble is None:  # noqa: ASYNC110 - there is no event for it
                await trio.sleep(0.01)
        with pytest.raises(BootFailed) as caught:
            await b.ask()
        assert "no such thing today" in caught.value.log_message
        spawned = len(b.processes)
        await trio.sleep(2)
        assert len(b.processes) - spawned <= 3  # 0.5 s, 1 s, 2 s: no storm
        binary.unlink()
        binary.symlink_to(real)
        await b.whole()
        assert (await b.ask()).endswith("hello")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 3", "ended unexpectedly"),
        ("echo rubbish; sleep 60", "'rubbish'"),
        ("sleep 60", "did not answer within 1 s"),
        ("echo oh dear >&2; exit 1", "oh dear"),
    ],
)
async def test_a_binary_that_does_not_boot(tmp_path: Path, script: str, reason: str) -> None:
    binary = tmp_path / "claude"
    binary.write_text(f"#!/bin/sh\n{script}\n")
    binary.chmod(0o755)
    settings = evolve(SETTINGS, boot_timeout=1.0)
    async with bench(tmp_path, settings, str(binary)) as b:
        with pytest.raises(BootFailed) as caught:
            await b.ask()
        assert reason in caught.value.log_message
        assert b.pool.trouble is not None


@pytest.mark.parametrize("mode", [None, 0o644])
async def test_a_binary_that_cannot_be_started(tmp_path: Path, mode: int | None) -> None:
    binary = tmp_path / "claude"
    if mode is not None:
        binary.write_text("#!/bin/sh\n")
        binary.chmod(mode)
    async with bench(tmp_path, binary=str(binary)) as b:
        with pytest.raises(BootFailed, match="could not be started"):
            await b.ask()


async def test_max_requests_replaces_a_process_beside_its_work(tmp_path: Path) -> None:
    async with bench(tmp_path, evolve(SETTINGS, max_requests=3)) as b:
        for i in range(12):
            assert (await b.ask(f"question {i}")).endswith(f"question {i}")
            await trio.sleep(0.2)
        await b.whole()
        stats = b.pool.statistics()
    assert stats.retirements["worn"] >= 2
    assert set(stats.retirements) == {"worn"}
    assert max(stats.wait_seconds.p99 or 0, 0) < 0.4  # nobody waited for a boot


async def test_max_rss_replaces_a_process(tmp_path: Path) -> None:
    async with bench(tmp_path, evolve(SETTINGS, max_rss=1_000_000)) as b:
        assert (await b.ask()).endswith("hello")
        await b.whole()
        assert b.pool.statistics().retirements["worn"] >= 1
        assert (await b.ask()).endswith("hello")


async def test_login_missing_says_what_to_do(tmp_path: Path) -> None:
    async with bench(tmp_path, key="") as b:
        for _ in range(2):
            with pytest.raises(ApiError, match="claude auth login") as caught:
                await b.ask()
            assert (caught.value.status, caught.value.type) == (401, "authentication_error")
        await b.whole()
        assert len(b.standin.record) == 0
        assert b.pool.statistics().boot_failures == 0
