#!/usr/bin/env python3
"""Measure what the pool saves: a server with it beside one without it, in one run.

Both servers are this script's own, and offline: the stand-in answers at once, so
what is measured is what the server and the CLI add to a model's own time. They
are asked by turns, so that what else this machine does meets both alike.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from typing import Any

if find_spec("trioproxy") is None:
    import _fresh_clone

    _fresh_clone.install_and_run_again()

import _distributions
import trio
from _serving import KNOWN, Caller, CannotRun, OwnServer, Reply, open_caller, own_server, run
from attrs import asdict, define, field, frozen
from bench.common import Machine, Progress, duration, new_file, percentile, positive

_ROUNDS = 5  # of requests one after the other
_BOUTS = 2  # of requests at once
_REST = 0.2  # seconds, for what a request leaves to do
_MUCH = 4  # times p50: a p99 beyond that is odd

_QUESTION = "Hello."
_WARM_UP = "[[standin words=10 rate=20]]"  # half a second: so the requests overlap

_EPILOG = """\
The run takes about half a minute. Exit status: 0, or 2 if it could not measure.
"""


# What is measured.


@define
class Mode:
    """One way to run the server, and its numbers: times in seconds."""

    name: str
    first: float = 0.0
    sequential: list[float] = field(factory=list)
    concurrent: list[float] = field(factory=list)
    concurrent_seconds: float = 0.0
    warm_up: int = 0
    failures: list[str] = field(factory=list)
    stats: dict[str, Any] | None = None

    @property
    def answered(self) -> int:
        """All the requests that were answered."""
        return 1 + len(self.sequential) + self.warm_up + len(self.concurrent)

    @property
    def p50(self) -> float:
        """The median of the requests one after the other."""
        return percentile(self.sequential, 0.5)

    @property
    def p99(self) -> float:
        """The time that one in a hundred exceeds; of fewer, the longest."""
        return percentile(self.sequential, 0.99)

    @property
    def throughput(self) -> float:
        """Answers a second, asked at once."""
        return len(self.concurrent) / self.concurrent_seconds

    def keep(self, times: list[float], reply: Reply) -> None:
        """Add the time of a request, or why it failed."""
        if reply.failure:
            self.failures.append(reply.failure)
        else:
            times.append(reply.seconds)


@frozen
class Result:
    """A whole run."""

    pooled: Mode
    unpooled: Mode
    clients: int
    machine: Machine
    begun: str = field(factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def speed_up(self) -> float:
        """How many times quicker the median request is."""
        return self.unpooled.p50 / self.pooled.p50

    @property
    def saved(self) -> float:
        """Seconds that a median request is quicker by."""
        return self.unpooled.p50 - self.pooled.p50

    @property
    def reused(self) -> int:
        """Requests that went to a process that had answered before."""
        return int((self.pooled.stats or {}).get("connections_reused", 0))

    @property
    def reuse_rate(self) -> float:
        """Their share."""
        return self.reused / self.pooled.answered

    def times(self) -> dict[str, list[float]]:
        """The distributions: the requests one after the other."""
        return {mode.name: mode.sequential for mode in (self.pooled, self.unpooled)}

    def as_json(self) -> dict[str, Any]:
        """All the numbers."""
        return {
            **asdict(self),
            "speed_up": self.speed_up,
            "saved": self.saved,
            "reuse_rate": self.reuse_rate,
        }


# Measuring.


@define
class Side:
    """A mode that is being measured, with the server that runs in it."""

    mode: Mode
    server: OwnServer
    caller: Caller
    progress: Progress

    async def first(self) -> None:
        """The first request after the start. Raises `CannotRun`."""
        await self.caller.settled()
        reply = await self.caller.ask(_QUESTION)
        if reply.failure:
            raise CannotRun(
                f"The {self.mode.name} server does not answer: {reply.failure}\n"
                f"{self.server.printed()}"
            )
        self.mode.first = reply.seconds
        await trio.sleep(_REST)

    async def one_by_one(self, count: int) -> None:
        """Requests without a pause."""
        for _ in range(count):
            done = len(self.mode.sequential) + 1
            self.progress.step(f"One by one, {self.mode.name}: request {done}")
            self.mode.keep(self.mode.sequential, await self.caller.ask(_QUESTION))
        await trio.sleep(_REST if count else 0)

    async def warm_up(self, clients: int) -> None:
        """Let the pool grow to what that many clients want; not measured."""
        times: list[float] = []

        async def ask() -> None:
            self.mode.keep(times, await self.caller.ask(_WARM_UP))

        async with trio.open_nursery() as nursery:
            for _ in range(clients):
                nursery.start_soon(ask)
        self.mode.warm_up = len(times)
        await self.caller.settled()

    async def at_once(self, clients: int, seconds: float) -> None:
        """That many clients, each with one request after the other until the time is up."""
        begun = trio.current_time()

        async def client() -> None:
            while True:
                self.mode.keep(self.mode.concurrent, await self.caller.ask(_QUESTION))
                done = len(self.mode.concurrent)
                self.progress.step(f"At once, {self.mode.name}: {done} answered")
                if trio.current_time() >= begun + seconds:
                    return

        async with trio.open_nursery() as nursery:
            for _ in range(clients):
                nursery.start_soon(client)
        self.mode.concurrent_seconds += trio.current_time() - begun
        await trio.sleep(_REST)


async def measure(options: argparse.Namespace, progress: Progress) -> Result:
    """The whole run."""
    machine = Machine()

    async def open_side(name: str, *, is_pooled: bool) -> Side:
        pooled = {"POOL_SETTINGS__ENABLED": str(is_pooled).lower()}
        settings = {"CLAUDE__OFFLINE": "true", **KNOWN, **pooled}
        server = await stack.enter_async_context(own_server(settings))
        caller = await stack.enter_async_context(open_caller(server.url))
        return Side(Mode(name), server, caller, progress)

    async with AsyncExitStack() as stack:
        progress.stage("Starting a server with the pool, and one without")
        pooled = await open_side("pooled", is_pooled=True)
        unpooled = await open_side("unpooled", is_pooled=False)
        progress.stage("First requests")
        await pooled.first()
        await unpooled.first()
        await measure_one_by_one(pooled, unpooled, options.requests)
        await measure_at_once(pooled, unpooled, options.clients, options.seconds)
        pooled.mode.stats = await pooled.caller.settled()
        progress.stage("Stopping the servers")
    return Result(pooled.mode, unpooled.mode, options.clients, machine)


async def measure_one_by_one(pooled: Side, unpooled: Side, requests: int) -> None:
    """Requests one after the other, by turns; half as many of the slow ones."""
    slow = (requests + 1) // 2
    pooled.progress.stage(f"One by one: {requests} pooled and {slow} unpooled requests")
    for of_pooled, of_unpooled in zip(portions(requests), portions(slow), strict=True):
        await pooled.one_by_one(of_pooled)
        await unpooled.one_by_one(of_unpooled)
    for side in pooled, unpooled:
        if not side.mode.sequential:
            raise CannotRun(f"No {side.mode.name} request was answered: {side.mode.failures[-1]}")


async def measure_at_once(pooled: Side, unpooled: Side, clients: int, seconds: float) -> None:
    """Requests of many clients, by turns."""
    pooled.progress.stage(
        f"At once: {clients} clients, {seconds:g} s pooled and {seconds:g} s not"
    )
    await pooled.warm_up(clients)
    for _ in range(_BOUTS):
        await pooled.at_once(clients, seconds / _BOUTS)
        await unpooled.at_once(clients, seconds / _BOUTS)


def portions(total: int) -> list[int]:
    """`total`, shared out over the rounds."""
    return [total * (i + 1) // _ROUNDS - total * i // _ROUNDS for i in range(_ROUNDS)]


# Reporting.


def table(result: Result) -> Iterator[str]:
    """The numbers, side by side."""
    pooled, unpooled = result.pooled, result.unpooled
    at_once = f"{result.clients} client{'s' * (result.clients > 1)} at once"
    rows = [
        ("", pooled.name, unpooled.name),
        ("first request", ms(pooled.first), ms(unpooled.first)),
        ("later ones, p50", ms(pooled.p50), ms(unpooled.p50)),
        ("later ones, p99", ms(pooled.p99), ms(unpooled.p99)),
        ("  how many", str(len(pooled.sequential)), str(len(unpooled.sequential))),
        (at_once, f"{pooled.throughput:,.1f} /s", f"{unpooled.throughput:,.1f} /s"),
        ("  how many", str(len(pooled.concurrent)), str(len(unpooled.concurrent))),
    ]
    for name, of_pooled, of_unpooled in rows:
        yield f"{name:<20} {of_pooled:>12} {of_unpooled:>12}"


def ms(seconds: float) -> str:
    """A time as it is shown."""
    return f"{1000 * seconds:,.0f} ms"


def conclusions(result: Result) -> Iterator[str]:
    """What the numbers say."""
    yield f"speed-up    {result.speed_up:.1f} times: {ms(result.saved)} saved a request (by p50)"
    yield (
        f"reuse rate  {result.reuse_rate:.0%}: {result.reused} of {result.pooled.answered} "
        "requests went to a process that had answered before"
    )


def oddities(result: Result) -> Iterator[str]:
    """What a reader of the numbers should know."""
    pooled, unpooled, machine = result.pooled, result.unpooled, result.machine
    if machine.load > machine.cores:
        yield "The machine was busy before the run: trust the ratio more than the times."
    if result.saved <= 0:
        yield "Pooled requests were SLOWER. That should not be: try again on an idle machine."
    if pooled.throughput <= unpooled.throughput:
        yield "Asked at once, the pool answered LESS. That should not be."
    if not result.reused:
        yield 'No process was used again. Is `[pool_settings] reuse` "never"?'
    if pooled.p99 > _MUCH * pooled.p50:
        yield f"The slowest pooled requests took over {_MUCH} times the median: noise, or a fault."
    for mode in pooled, unpooled:
        if mode.failures:
            yield f"{len(mode.failures)} {mode.name} requests failed: {mode.failures[0]}"


def report(result: Result) -> None:
    """Print all that there is to see."""
    is_utf = "utf" in (sys.stdout.encoding or "").lower()
    print(f"Offline, {result.machine}\n")
    print("\n".join(table(result)), end="\n\n")
    print("\n".join(conclusions(result)), end="\n\n")
    for line in _distributions.draw(result.times()):
        print(line if is_utf else _distributions.plain(line))
    for oddity in oddities(result):
        print(f"\nNote: {oddity}")


def save(result: Result, options: argparse.Namespace) -> None:
    """Write the files that are asked for."""
    if options.json is not None:
        options.json.write_text(json.dumps(result.as_json(), indent=2) + "\n")
    if options.png is not None:
        title = f"trioproxy, offline: {result.speed_up:.1f} times as quick from the pool"
        _distributions.save(result.times(), options.png, title)
    saved = [str(file) for file in (options.json, options.png) if file is not None]
    if saved:
        print(f"\nSaved: {', '.join(saved)}")


# The command.


async def compare(options: argparse.Namespace) -> int:
    """Measure, and report."""
    if options.png is not None:
        check_matplotlib()
    progress = Progress(sys.stderr)
    try:
        result = await measure(options, progress)
    finally:
        progress.step("")  # whatever comes now is not written behind it
    report(result)
    save(result, options)
    return 0


def check_matplotlib() -> None:
    """Say now, and not after the measurement, that a picture cannot be made."""
    try:
        _distributions.figure_class()
    except ImportError:
        raise CannotRun("--png needs matplotlib: `scripts/install plots` installs it.") from None


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--requests",
        type=positive,
        default=30,
        metavar="N",
        help="pooled requests one after the other, and half as many unpooled (default 30)",
    )
    add("--clients", type=positive, default=4, metavar="N", help="clients at once (default 4)")
    add(
        "--seconds",
        type=duration,
        default=4.0,
        metavar="S",
        help="how long the clients at once ask each server (default 4)",
    )
    add("--json", type=new_file, metavar="FILE", help="save the raw numbers, times in seconds")
    add("--png", type=new_file, metavar="FILE", help="save a picture; needs matplotlib")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(run(partial(compare, parse_options())))
