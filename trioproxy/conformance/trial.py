"""One process in front of a stand-in, and the turns of a part on it."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from attrs import define, frozen

from trioproxy.claude.command import Options, build_trial_command
from trioproxy.claude.control import ControlQuery, introduction
from trioproxy.claude.exchange import Exchange
from trioproxy.claude.prompts import PromptSlots, write_plugin
from trioproxy.claude.session import Session
from trioproxy.conformance.arrived import problem
from trioproxy.conformance.parts import OF_PROMPTS, Part, Step, steps
from trioproxy.errors import ApiError, BootFailed, TrioproxyError
from trioproxy.pool.guard import Guard
from trioproxy.pool.line_stream import LineStream
from trioproxy.pool.process import open_process
from trioproxy.standin import StandIn, serve_standin

TIMEOUT = 10.0  # seconds, for each part
_STOP = 1.0  # seconds for each step of ending the process
_LINE = 1_000_000  # bytes


@frozen
class Subject:
    """What is tried: a CLI, and how the server starts it.

    `takes_any`: it is to take any system prompt. `has_login`: with an account's login, and not
    with a key, so that the CLI adds words of its own.
    """

    binary: str
    environ: Mapping[str, str]
    options: Options
    takes_any: bool = True
    has_login: bool = False


async def find_problem(subject: Subject, part: Part, folder: Path, guard: Guard) -> str:
    """What of a part does not hold; empty: all does. Takes `TIMEOUT` at most.

    `folder`: an empty one, for the home of the process, its files and where it runs.
    """
    found = f"it did not answer within {TIMEOUT:g} s"
    with trio.move_on_after(TIMEOUT):
        try:
            async with _open_trial(subject, folder, guard) as trial:
                found = await trial.problem_of(part)
        except* BootFailed as group:  # the system could not even start it
            found = str(group.exceptions[0])
    return found


@asynccontextmanager
async def _open_trial(subject: Subject, folder: Path, guard: Guard) -> AsyncGenerator["_Trial"]:
    places = [folder / name for name in ("home", "plugin", "work")]
    for place in places:
        place.mkdir(parents=True)
    home, plugin, work = map(str, places)
    if subject.takes_any:
        write_plugin(Path(plugin))
    async with trio.open_nursery() as nursery:
        standin = StandIn()
        url: str = await nursery.start(serve_standin, standin)
        command = build_trial_command(
            subject.binary, subject.environ, work, subject.options,
            home=home, base_url=url, has_login=subject.has_login,
            plugin=plugin if subject.takes_any else "",
        )  # fmt: skip
        async with open_process(command, guard, stop_timeout=_STOP) as process:
            slots = PromptSlots() if subject.takes_any else None
            session = Session(command.betas, slots=slots, is_bare=command.is_bare)
            yield _Trial(LineStream(process, _LINE), session, standin)
        nursery.cancel_scope.cancel(reason="it is known")


@define(eq=False)
class _Trial:
    """A process that is tried."""

    stream: LineStream
    session: Session
    standin: StandIn

    async def problem_of(self, part: Part) -> str:
        try:
            if self.session.slots is not None:
                await self._ask(introduction(binds=False))
            for number, step in enumerate(steps(part)):
                if found := await self._tried(step, float(number)):
                    return f"{step.name}: {found}"
            if part in OF_PROMPTS or (part is Part.RESET and self.session.slots is not None):
                return await self._forgotten(steps(part)[-1])
        except TrioproxyError as error:
            return error.message
        return ""

    async def _tried(self, step: Step, now: float) -> str:
        self.standin.record.clear()
        exchange = self.session.begin(step.turn, now)
        await self._converse(exchange, leaves=step.leaves)
        error = exchange.error
        is_expected = isinstance(error, ApiError) and error.status == step.status
        if error is not None and not is_expected:
            return error.message
        if step.status is not None and error is None:
            return f"an error {step.status} of the API's was not told"
        if not exchange.is_clean:
            return "the process was not proven clean"
        asked = self.standin.record.messages
        return problem(step.turn, asked[:1] if step.goes_on else asked)

    async def _converse(self, exchange: Exchange, *, leaves: bool) -> None:
        await self.stream.send(exchange.begin())
        while not exchange.is_over:
            step = exchange.receive(await self.stream.receive())
            await self.stream.send(step.output)
            if step.events and leaves:
                await self.stream.send(exchange.abandon())

    async def _forgotten(self, last: Step) -> str:
        """Whether what was said is gone from an idle process."""
        await self._ask(self.session.forget())
        query = ControlQuery.of("settings", "get_settings")
        await self._ask(query)
        words = [last.turn.system, *(b["text"] for m in last.turn.messages for b in m.content)]
        kept = str(query.answer)
        if any(repr(word)[1:-1] in kept for word in words if len(word) > 1):
            return "it keeps what it was told to forget"
        return ""

    async def _ask(self, query: ControlQuery) -> None:
        await self.stream.send(query.begin())
        while not query.is_answered:
            query.receive(await self.stream.receive())
