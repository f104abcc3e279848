#!/usr/bin/env python3
"""Watch the pool at work: its log lines, beside the requests that cause them.

Starts a server of its own, sends it requests one after the other, then several
at once, then single ones again, and shows what the server's pool logs meanwhile.
At the end it tells what the pool's statistics mean.
"""

import argparse
import os
import re
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

if find_spec("trioproxy") is None:
    import _fresh_clone

    _fresh_clone.install_and_run_again()

import trio
from _serving import KNOWN, Caller, OwnServer, Reply, open_caller, own_server, run
from attrs import define, field, frozen

_EPILOG = """\
The line to look for is "Reusing existing connection" with a use_count above 1:
a process that has answered before answers again. On a terminal it is green; the
line of a new process is yellow.

exit status: 0 if processes were reused, 1 if not, 2 if no server could be asked
"""

_WIDTH = 79
_GREEN, _YELLOW, _RED, _BOLD = "32", "33", "31", "1"

# 2026-01-31 12:00:00,000 INFO    [POOL] ...
_RECORD = re.compile(r"\d{4}-\d\d-\d\d \S+ (?P<level>[A-Z]+) +(?P<message>.*)")
_OF_THE_POOL = re.compile(r"\[(STARTUP|POOL_MANAGER|POOL|API|SHUTDOWN)\] ")
_OF_HYPERCORN = re.compile(r"\[.*?\] \[\d+\] \[INFO\] ")
_REUSE = re.compile(r"Reusing existing connection .*use_count: (?!1,)")
_NEW = re.compile(r"Created new (pooled )?connection")


def legible(line: str) -> str | None:
    """What is worth showing of a line of the server's output; None if nothing is."""
    record = _RECORD.match(line)
    if record is None:  # a traceback, or the end of a server that may not start
        return None if _OF_HYPERCORN.match(line) else line
    level, message = record["level"], record["message"]
    if level in {"DEBUG", "INFO"}:
        return message if _OF_THE_POOL.match(message) else None
    return None if message.startswith("OFFLINE: ") else f"{level} {message}"  # the heading says it


def colour_of(text: str) -> str | None:
    """The terminal's code for a shown line: reuse, a new process, trouble; None for the rest."""
    if _REUSE.search(text):
        return _GREEN
    if _NEW.search(text):
        return _YELLOW
    return _RED if text.startswith(("ERROR", "CRITICAL")) else None


@define
class Screen:
    """Standard output: coloured on a terminal, plain in a pipe."""

    _begun: float = field(factory=trio.current_time)
    _is_coloured: bool = field(
        factory=lambda: sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    )

    def heading(self, text: str) -> None:
        """Say what comes now."""
        self._print(f"\n{f'-- {text} '.ljust(_WIDTH, '-')}", _BOLD)

    def say(self, text: str) -> None:
        """Say what the script does."""
        self._print(text, _BOLD)

    def tell(self, text: str) -> None:
        """Say something in passing."""
        self._print(text, None)

    def log(self, line: str) -> None:
        """Show a line of the server's output, if it is about the pool, with the seconds so far."""
        text = legible(line)
        if text is not None:
            self._print(f"{trio.current_time() - self._begun:6.2f} {text}", colour_of(text))

    def _print(self, text: str, colour: str | None) -> None:
        coloured = f"\x1b[{colour}m{text}\x1b[0m" if colour and self._is_coloured else text
        print(coloured, flush=True)


@define
class Exercise:
    """Requests to one server, and how they went. `server` is None if it is somebody else's."""

    screen: Screen
    caller: Caller
    server: OwnServer | None
    is_offline: bool
    replies: list[Reply] = field(factory=list)

    async def settle(self) -> dict[str, Any] | None:
        """Wait until the pool has come to rest and its lines are shown; what it counts then."""
        stats = await self.caller.settled()
        if self.server is not None:
            await self.server.wait_quiet()
        return stats

    async def alone(self) -> None:
        """Send one request, and wait until its process has been given back."""
        number = len(self.replies) + 1
        self.screen.say(f"> request {number}")
        reply = await self.caller.ask(f"Say hello to number {number}.")
        self.replies.append(reply)
        await self.settle()
        self.screen.say(f"< request {number}: {outcome(reply)}")

    async def together(self, count: int) -> None:
        """Send requests at once, each with an answer that takes about a second."""
        first = len(self.replies) + 1
        self.screen.say(f"> requests {first} to {first + count - 1}")
        replies: dict[int, Reply] = {}

        async def ask(number: int) -> None:
            text = "[[standin words=20 rate=20]]" if self.is_offline else "Count from 1 to 30."
            replies[number] = await self.caller.ask(text)

        async with trio.open_nursery() as nursery:
            for number in range(first, first + count):
                nursery.start_soon(ask, number)
        await self.settle()
        for number in sorted(replies):
            self.screen.say(f"< request {number}: {outcome(replies[number])}")
        self.replies += replies.values()


def outcome(reply: Reply) -> str:
    """How a request went, in words."""
    return reply.failure or f"answered in {1000 * reply.seconds:,.0f} ms"


@frozen
class Counts:
    """The pool's statistics before the requests and after them."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    requests: int

    def gained(self, key: str) -> int:
        """By how much a counter has grown while the requests ran."""
        gain: int = self.after[key] - self.before[key]
        return gain

    def verdicts(self) -> Iterator[tuple[str, str]]:
        """Each key of the statistics, with what its value means."""
        created, lost = self.gained("connections_created"), self.gained("connections_destroyed")
        late, unwell = self.gained("acquire_timeouts"), self.gained("health_check_failures")
        yield "connections_created", f"{created or 'none'} of them for these requests"
        yield "connections_destroyed", f"{lost or 'none'} of them during these requests"
        yield "connections_reused", self.of_reuse()
        yield "acquire_timeouts", f"{late or 'none'} of the requests waited in vain"
        yield "health_check_failures", f"{unwell or 'none'} of the idle processes was unwell"
        yield "total_connections", f"there were {self.before['total_connections']} before"
        yield "available_connections", "ready for the next requests"
        busy = self.after["in_use_connections"]
        yield "in_use_connections", "somebody else's, or stuck" if busy else "all were given back"

    def of_reuse(self) -> str:
        """Whether the pool does what it is for."""
        reused = self.gained("connections_reused")
        verdict = "the pool works" if reused else "the pool does not work"
        return f"reused: {reused or 'none'} of {self.requests} requests: {verdict}"


def report(screen: Screen, before: Any, after: Any, replies: list[Reply]) -> bool:  # noqa: ANN401 - JSON
    """Show the statistics and their meaning; whether there was reuse."""
    screen.heading("What /pool/stats says")
    failed = sum(bool(reply.failure) for reply in replies)
    if failed:
        screen.say(f"{failed} of {len(replies)} requests failed: see above.")
    if after is None or before is None:
        screen.tell("Pooling is off (`[pool_settings] enabled`): nothing can be reused.")
        return False
    counts = Counts(before, after, len(replies))
    for key, verdict in counts.verdicts():
        screen.tell(f"{key:<22} {after[key]:>4}  {verdict}")
    return counts.gained("connections_reused") > 0


async def exercise(item: Exercise, options: argparse.Namespace) -> bool:
    """All the requests, and what they show; whether there was reuse."""
    before = await item.settle()
    item.screen.heading(f"One by one, {options.requests}: the same process answers all of them")
    for _ in range(options.requests):
        await item.alone()
    item.screen.heading(f"At once, {options.clients}: more processes, if they are needed")
    await item.together(options.clients)
    item.screen.heading("One by one again, 2: no new process")
    await item.alone()
    await item.alone()
    return report(item.screen, before, await item.settle(), item.replies)


async def watch_own(options: argparse.Namespace) -> int:
    """Show a server of one's own, from its start to its end."""
    screen = Screen()
    upstream = "with your account" if options.online else "offline: no account, no model"
    screen.heading(f"A server starts, {upstream}")
    settings = {
        "CLAUDE__OFFLINE": str(not options.online).lower(),
        "LOGGING__LEVEL": "DEBUG",  # LOG_LEVEL, and stronger
        **({} if options.online else KNOWN),
    }
    async with own_server(settings, screen.log) as server:
        async with open_caller(server.url) as caller:
            subject = Exercise(screen, caller, server, is_offline=not options.online)
            is_reused = await exercise(subject, options)
        screen.heading("The server stops")
    return 0 if is_reused else 1


async def watch_running(options: argparse.Namespace) -> int:
    """Send the requests to a server that runs already."""
    screen = Screen()
    async with open_caller(options.url) as caller:
        screen.say(f"The log of {options.url} is in that server's terminal, not here.")
        screen.tell("It shows all of this if the server was started with LOG_LEVEL=DEBUG.")
        subject = Exercise(screen, caller, None, await caller.is_offline())
        is_reused = await exercise(subject, options)
    return 0 if is_reused else 1


def positive(text: str) -> int:
    """A number of requests."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--online", action="store_true", help="use your account: offline is the default"
    )
    which.add_argument("--url", help="ask the server that runs at that address")
    add = parser.add_argument
    add("--requests", type=positive, default=4, metavar="N", help="how many one by one (4)")
    add("--clients", type=positive, default=4, metavar="N", help="how many at once (4)")
    return parser.parse_args()


def main() -> int:
    """Run the command."""
    options = parse_options()
    return run(partial(watch_own if options.url is None else watch_running, options))


if __name__ == "__main__":
    sys.exit(main())
