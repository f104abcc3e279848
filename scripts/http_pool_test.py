#!/usr/bin/env python3
"""Measure what the forward proxy's kept connections are worth, in one run on this machine.

    pooled       trioproxy as it is
    per request  trioproxy with HTTP_POOL_ENABLED=false: an httpx client for each request
    shared TLS   Quart under Hypercorn: an httpx client for each request, but one TLS context
    fastapi      FastAPI under uvicorn, and one httpx client with httpx's own pool
    nginx        one process of it, where it is installed

All of them pass requests on to an upstream of this script's own, by http and by https. They are
asked by turns, in short rounds, so that what else this machine does meets all of them alike; the
clients and the upstream have processes of their own. The median round counts.
"""

import argparse
import json
import os
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import Any

if find_spec("trioproxy") is None:
    import _fresh_clone

    _fresh_clone.install_and_run_again()

import _memory
import _wrk
import certifi
import httpx
import trio
from _children import Child, open_child
from _comparison import (
    FASTAPI,
    NGINX,
    PER_REQUEST,
    POOLED,
    SHARED_TLS,
    Case,
    Figures,
    Memory,
    Recovery,
    Result,
    targets,
)
from _comparison_report import save_picture, tables
from _recovery import recoveries
from _serving import CannotRun, OwnServer, own_server, run
from _upstream import LENGTH
from attrs import define, field, frozen
from bench.common import Machine, Progress, duration, new_file, positive

EXTRA = ("fastapi", "trustme", "uvicorn")
_POOL_TIMEOUT = 60.0  # seconds: in a crowd, waiting for a connection is no failure
_READ_TIMEOUT = 2.0  # of the pooled server, so that a hanging upstream is told soon
_ANSWER = 60.0  # seconds that a single request may take
_SECONDS, _SECONDS_OF_WRK = 0.4, 1.0  # of a round
_REST = 0.05  # seconds, for what a round leaves to do

_EPILOG = """\
The run takes one to two minutes, and longer on a slow machine. Exit status: 0; 1 with --check if a
target was missed; 2 if it could not measure. It needs some packages more: `scripts/install bench`
installs them.
"""


@frozen
class Plan:
    """How much is measured. `simultaneous`: requests at once, while memory is looked at.

    `wrk`: its path, to send the requests of rounds that are long enough for it.
    """

    seconds: float
    rounds: int
    clients: tuple[int, ...] = (1, 16, 100)
    simultaneous: int = 100
    crowd: int = 500
    wrk: str | None = None

    @property
    def load(self) -> str:
        """The name of the program that sends the requests of the rounds."""
        uses_wrk = self.wrk is not None and _wrk.can_measure(self.seconds)
        return "wrk" if uses_wrk else "its own client"

    def cases(self) -> Iterator[Case]:
        """How each server is asked."""
        for upstream in "plain", "tls":
            yield from (Case(clients, upstream, "instant") for clients in self.clients)
        yield Case(self.clients[-1], "plain", "held")

    def is_left_out(self, server: str, case: Case, turn: int) -> bool:
        """Whether it is slow enough for one round to say it all, and to take long."""
        return server == PER_REQUEST and case.clients == self.clients[-1] and turn > 0


QUICK = Plan(seconds=0.1, rounds=1, clients=(1, 4, 10), simultaneous=10, crowd=100)


# The servers.


@frozen
class Server:
    """A server that is measured, and the process that answers."""

    name: str
    port: int
    pid: int = 0
    own: OwnServer | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def printed(self) -> str:
        """What there is to read of it, if it does not say that on standard error."""
        return self.own.printed() if self.own else ""


@define(eq=False)
class Upstream:
    """What is behind the servers. It can be killed, and started where it was."""

    _stack: AsyncExitStack
    _certificate: Path
    ports: dict[str, int] = field(factory=lambda: {"plain": 0, "tls": 0})
    _child: Child | None = None

    async def start(self) -> None:
        """Start it; it answers then."""
        ports = [str(self.ports[name]) for name in ("plain", "tls")]
        opening = open_child("_upstream.py", *ports, str(self._certificate))
        self._child = await self._stack.enter_async_context(opening)
        self.ports = await self._child.result()

    async def kill(self) -> None:
        """End it, without a word to anybody."""
        assert self._child is not None
        await self._child.end()

    def urls(self) -> str:
        """For `[http_pool] upstreams`, in JSON."""
        schemes = {"plain": "http", "tls": "https"}
        ports = self.ports.items()
        return json.dumps({name: f"{schemes[name]}://127.0.0.1:{port}" for name, port in ports})


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for this machine, and the authorities to trust: the usual ones, and its own.

    A client that knows all the usual ones takes as long to make as it does in earnest.
    """
    import trustme  # noqa: PLC0415 - it is an extra

    certificate, authorities = directory / "certificate.pem", directory / "authorities.pem"
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    authorities.write_bytes(Path(certifi.where()).read_bytes() + authority.cert_pem.bytes())
    return certificate, authorities


@asynccontextmanager
async def open_trioproxy(name: str, settings: Mapping[str, str]) -> AsyncGenerator[Server]:
    """The forward proxy alone: no Claude process is started."""
    alone = {
        "CLAUDE__OFFLINE": "true",
        "POOL_SETTINGS__MIN_SIZE": "0",
        "POOL_SETTINGS__WARMUP_ON_STARTUP": "false",
        "LOGGING__LEVEL": "WARNING",
    }
    async with own_server({**alone, **settings}) as server:
        pid = _memory.biggest_child(server.process.pid) if _memory.is_told() else 0
        yield Server(name, int(server.url.rpartition(":")[2]), pid, server)


async def open_servers(
    stack: AsyncExitStack, upstreams: str, authorities: Path, directory: Path
) -> dict[str, Server]:
    """All that are compared."""
    trusting = {"SSL_CERT_FILE": str(authorities)}
    settings = {
        **trusting,
        "HTTP_POOL__UPSTREAMS": upstreams,
        "HTTP_POOL__PROXY": "",
        "HTTP_POOL__MAX_CONNECTIONS": "100",  # as fastapi has them
        "HTTP_POOL__MAX_KEEPALIVE_CONNECTIONS": "20",
        "HTTP_POOL__KEEPALIVE_EXPIRY": "300",
        "HTTP_POOL__POOL_TIMEOUT": str(_POOL_TIMEOUT),
        "HTTP_POOL__READ_TIMEOUT": str(_READ_TIMEOUT),
    }
    unpooled = {**settings, "HTTP_POOL__ENABLED": "false", "HTTP_POOL__READ_TIMEOUT": "60"}
    scripts = {SHARED_TLS: "_forwarder_shared_tls.py", FASTAPI: "_forwarder_fastapi.py"}
    children = {
        name: await stack.enter_async_context(open_child(script, upstreams, env=trusting))
        for name, script in scripts.items()
    }
    if (nginx := which("nginx", path=os.defpath + ":/usr/sbin:/usr/local/sbin")) is not None:
        opening = open_child("_forwarder_nginx.py", upstreams, nginx, str(directory))
        children[NGINX] = await stack.enter_async_context(opening)
    pooled = {**settings, "HTTP_POOL__ENABLED": "true"}
    servers = [
        await stack.enter_async_context(open_trioproxy(POOLED, pooled)),
        await stack.enter_async_context(open_trioproxy(PER_REQUEST, unpooled)),
        *[Server(name, (await child.result())["port"]) for name, child in children.items()],
    ]
    return {server.name: server for server in servers}


# Measuring.


@frozen
class Comparison:
    """All that takes part in a run."""

    plan: Plan
    progress: Progress
    upstream: Upstream
    servers: Mapping[str, Server]
    load: Child
    wrk: str | None

    async def ask(self, server: Server, case: Case, seconds: float) -> dict[str, Any]:
        """Send requests to a server for a while. Raises `CannotRun` if none is answered."""
        path = f"/proxy/{case.upstream}/{case.path}"
        load: dict[str, Any] = {"clients": case.clients, "seconds": seconds, "length": LENGTH}
        if self.wrk is not None and _wrk.can_measure(seconds):
            outcome = await _wrk.ask(self.wrk, server.url + path, **load)
        else:
            outcome = await self.load.ask({"port": server.port, "path": path, **load})
        if not outcome["latencies"]:
            failures = ", ".join(outcome["failures"])
            raise CannotRun(f"{case}, {server.name}: {failures}\n{server.printed()}".rstrip())
        await trio.sleep(_REST)
        return outcome

    async def first(self) -> None:
        """A request to each server by each way: what is made at first is made then."""
        self.progress.stage("First requests")
        for server in self.servers.values():
            for upstream in self.upstream.ports:
                await self.ask(server, Case(1, upstream, "instant"), 0)

    async def memory(self) -> list[Memory]:
        """What requests at once take, before anything else does."""
        if not _memory.is_told():
            raise CannotRun("This system has no /proc to tell how much memory a process has.")
        self.progress.stage(f"Memory: {self.plan.simultaneous} requests at once")
        return [await self._memory_of(self.servers[name]) for name in (POOLED, PER_REQUEST)]

    async def _memory_of(self, server: Server) -> Memory:
        at_rest = _memory.resident(server.pid)
        _memory.forget_peak(server.pid)
        await self.ask(server, Case(self.plan.simultaneous, "plain", "held"), 0)
        return Memory(server.name, at_rest, _memory.peak(server.pid))

    async def compare(self) -> list[Figures]:
        """All cases, over and over; in each, the servers by turns."""
        cases = list(self.plan.cases())
        figures = {(name, case): Figures(name, case) for case in cases for name in self.servers}
        for turn in range(self.plan.rounds):
            self.progress.stage(f"Round {turn + 1} of {self.plan.rounds}")
            for (name, case), item in figures.items():
                if not self.plan.is_left_out(name, case, turn):
                    self.progress.step(f"Round {turn + 1}: {case}, {name}")
                    item.add(await self.ask(self.servers[name], case, self.plan.seconds))
        return list(figures.values())

    async def crowd(self) -> Figures:
        """Many at once, far more than there may be connections."""
        self.progress.stage(f"{self.plan.crowd} clients at once")
        figures = Figures(POOLED, Case(self.plan.crowd, "plain", "held"))
        figures.add(await self.ask(self.servers[POOLED], figures.case, self.plan.seconds))
        return figures

    async def reuse(self) -> dict[str, Any]:
        """What the pool has counted of its connections."""
        async with self._asking_pooled() as http:
            stats = (await http.get("/http_pool/stats")).json()["upstreams"]
        return {name: stats[name] for name in self.upstream.ports}

    async def recover(self) -> list[Recovery]:
        """What comes of the upstream's faults."""
        self.progress.stage("Faults of the upstream")
        found = []
        async with (
            self._asking_pooled() as http,
            aclosing(recoveries(http, self.upstream.kill, self.upstream.start)) as steps,
        ):
            async for recovery in steps:
                self.progress.step(f"The upstream {recovery.what}")
                found.append(recovery)
        return found

    def _asking_pooled(self) -> httpx.AsyncClient:
        url = self.servers[POOLED].url
        return httpx.AsyncClient(base_url=url, timeout=_ANSWER, trust_env=False)


@asynccontextmanager
async def open_comparison(plan: Plan, progress: Progress) -> AsyncGenerator[Comparison]:
    """All servers, for as long as the block lasts."""
    progress.stage("Starting an upstream, and the servers to compare")
    with TemporaryDirectory(prefix="trioproxy-") as directory:
        certificate, authorities = make_certificate(Path(directory))
        async with AsyncExitStack() as stack:
            upstream = Upstream(stack, certificate)
            await upstream.start()
            servers = await open_servers(stack, upstream.urls(), authorities, Path(directory))
            load = await stack.enter_async_context(open_child("_load.py"))
            yield Comparison(plan, progress, upstream, servers, load, plan.wrk)
            progress.stage("Stopping the servers")


async def measure(plan: Plan, progress: Progress) -> Result:
    """The whole run."""
    machine, begun = Machine(), datetime.now(UTC).isoformat(timespec="seconds")
    async with open_comparison(plan, progress) as comparison:
        await comparison.first()
        return Result(
            machine=machine,
            begun=begun,
            seconds=plan.seconds,
            rounds=plan.rounds,
            load=plan.load,
            simultaneous=plan.simultaneous,
            memory=await comparison.memory(),
            figures=await comparison.compare(),
            reuse=await comparison.reuse(),
            crowd=await comparison.crowd(),
            recoveries=await comparison.recover(),
        )


# Reporting.


def oddities(result: Result) -> Iterator[str]:
    """What a reader of the numbers should know."""
    machine = result.machine
    yield f"The load of the rounds came from {result.load}."
    yield (
        f"pooled had a pool_timeout of {_POOL_TIMEOUT:g} s instead of 5, so that a crowd may wait "
        f"in line, and a read_timeout of {_READ_TIMEOUT:g} s instead of 30."
    )
    yield (
        "Each round of more than 20 clients opens connections, since no more are kept idle "
        "between rounds. That lowers the share of those used again, most in short rounds."
    )
    if result.rounds > 1:
        yield f"{PER_REQUEST} had one round only where most clients are: it takes long over them."
    if find_spec("uvloop") is None or find_spec("httptools") is None:
        yield f"{FASTAPI} ran without uvloop and httptools, which are not installed."
    if machine.load > machine.cores:
        yield "The machine was busy before the run: trust the ratios more than the rates."
    for item in [*result.figures, result.crowd]:
        for failure, count in item.failures.items():
            yield f"{count} requests FAILED, {item.server}, {item.case}: {failure}"


def report(result: Result) -> None:
    """Print all that there is to see."""
    print(f"{result.machine}\n")
    print("\n".join(tables(result)))
    for oddity in oddities(result):
        print(f"\nNote: {oddity}")


def save(result: Result, options: argparse.Namespace) -> None:
    """Write the files that are asked for."""
    if options.json is not None:
        options.json.write_text(json.dumps(result.as_json(), indent=2) + "\n")
    if options.png is not None:
        save_picture(result, options.png)
    saved = [str(file) for file in (options.json, options.png) if file is not None]
    if saved:
        print(f"\nSaved: {', '.join(saved)}")


# The command.


async def main(options: argparse.Namespace) -> int:
    """Measure, and report."""
    check_extra([*EXTRA, *["matplotlib"] * (options.png is not None)])
    wrk = _wrk.find()
    usual = _SECONDS if wrk is None else _SECONDS_OF_WRK
    plan = Plan(options.seconds or usual, options.rounds, wrk=wrk)
    if options.quick:
        plan = QUICK
    progress = Progress(sys.stderr)
    try:
        result = await measure(plan, progress)
    finally:
        progress.step("")  # whatever comes now is not written behind it
    report(result)
    save(result, options)
    return int(options.check and not all(target.is_met for target in targets(result)))


def check_extra(expected: list[str]) -> None:
    """Say now what is missing, and how it is installed. Raises `CannotRun`."""
    missing = [name for name in expected if find_spec(name) is None]
    if missing:
        names = ", ".join(missing)
        raise CannotRun(f"This needs {names}: `scripts/install bench` installs all of it.")


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--seconds",
        type=duration,
        metavar="S",
        help="how long a round takes (default 1 with wrk, which is used where it is installed, "
        "for rounds of a second or more; else 0.4, of which the first fifth does not count)",
    )
    add("--rounds", type=positive, default=3, metavar="N", help="rounds each (default 3)")
    add("--quick", action="store_true", help="measure hardly anything: to try the script itself")
    add("--check", action="store_true", help="exit with 1 if a target is missed")
    add("--json", type=new_file, metavar="FILE", help="save the numbers, times in seconds")
    add("--png", type=new_file, metavar="FILE", help="save a picture; needs matplotlib")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(run(partial(main, parse_options())))
