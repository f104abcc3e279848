"""Whether a process takes any system prompt: see `claude/prompts.py`."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import trio
from attrs import frozen

from trioproxy.claude.command import Options, build_offline_command
from trioproxy.claude.control import introduction
from trioproxy.claude.prompts import PromptSlots, write_plugin
from trioproxy.claude.session import Session
from trioproxy.claude.turn import Message, Turn
from trioproxy.errors import BootFailed, TrioproxyError
from trioproxy.pool.guard import Guard
from trioproxy.pool.line_stream import LineStream
from trioproxy.pool.process import open_process
from trioproxy.standin import StandIn, serve_standin

TIMEOUT = 10.0  # seconds
_STOP = 1.0  # seconds for each step of ending the process
_LINE = 1_000_000  # bytes
_OWN_SYSTEM = 2  # blocks of the CLI's own before the prompt


@frozen
class Given:
    """A prompt that is given to the process, and whose it is."""

    caller: str
    text: str


# Each names what stands in another's slot; the first comes back, and an empty one is none at all.
_GIVEN = (
    Given("a", "first ${user_config.p1} $& ${CLAUDE_PLUGIN_ROOT}"),
    Given("b", "second ${user_config.p0}"),
    Given("b", "third ${user_config.p0} ${user_config.p1}"),
    Given("b", ""),
    Given("a", "first ${user_config.p1} $& ${CLAUDE_PLUGIN_ROOT}"),
)


async def find_binding_problem(
    binary: str, environ: Mapping[str, str], options: Options, folder: Path, guard: Guard
) -> str:
    """Why this CLI cannot be given any prompt while it runs; empty: it can.

    `folder`: an empty one, for its home, its files and where it runs. Never takes longer than
    `TIMEOUT`.
    """
    found = f"it did not answer within {TIMEOUT:g} s"
    with trio.move_on_after(TIMEOUT):
        async with trio.open_nursery() as nursery:
            standin = StandIn()
            url: str = await nursery.start(serve_standin, standin)
            home, plugin = folder / "home", folder / "plugin"
            home.mkdir()
            write_plugin(plugin)
            command = build_offline_command(
                binary, environ, str(folder), options,
                home=str(home), base_url=url, plugin=str(plugin),
            )  # fmt: skip
            start = partial(open_process, command, guard, stop_timeout=_STOP)
            try:
                async with start() as process:
                    session = Session(command.betas, slots=PromptSlots(), is_bare=True)
                    found = await _found(LineStream(process, _LINE), session, standin)
            except BootFailed as error:  # the system could not even start it
                found = error.message
            nursery.cancel_scope.cancel(reason="it is known")
    return found


async def _found(stream: LineStream, session: Session, standin: StandIn) -> str:
    try:
        return await _tried(stream, session, standin)
    except TrioproxyError as error:
        return error.message


async def _tried(stream: LineStream, session: Session, standin: StandIn) -> str:
    probe = introduction(binds=False)
    await stream.send(probe.begin())
    while not probe.is_answered:
        probe.receive(await stream.receive())
    for number, given in enumerate(_GIVEN):
        standin.record.clear()
        exchange = session.begin(_turn(given, f"question {number}"), float(number))
        data = exchange.begin()
        while not exchange.is_over:
            await stream.send(data)
            data = exchange.receive(await stream.receive()).output
        if exchange.error is not None:
            return exchange.error.message
        if not exchange.is_clean:
            return "a process was not proven clean behind another prompt"
        if problem := _difference(given, f"question {number}", standin):
            return problem
    return ""


def _turn(given: Given, text: str) -> Turn:
    message = Message("user", ({"type": "text", "text": text},))
    return Turn("claude-haiku-4-5", 1000, (message,), given.text, caller=given.caller)


def _difference(given: Given, text: str, standin: StandIn) -> str:
    """What is wrong with what the API was asked."""
    asked = [request.body for request in standin.record.messages]
    if len(asked) != 1:
        return f"it asked the API {len(asked)} times"
    system = [block["text"] for block in asked[0]["system"][_OWN_SYSTEM:]]
    if system != ([given.text] if given.text else []):
        return "a prompt did not arrive as it was given"
    contents = [message["content"] for message in asked[0]["messages"]]
    if len(contents) != 1 or text not in str(contents[0]):
        return "the conversation did not arrive as it was given"
    return ""
