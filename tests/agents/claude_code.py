"""Claude Code's command line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from subprocess import Popen
from threading import Thread
from typing import Any

import orjson
from attrs import define, field

from tests.agents.connected import connect
from tests.agents.install import Program
from tests.agents.runner import TIMEOUT, Ended, Place, end
from tests.agents.terminal import Terminal, terminal
from trioproxy.standin import Pace
from trioproxy.standin.bodies import Body
from trioproxy.standin.script import Say, Turn

TOOLS = "Read,Write,Edit,Bash,Task,WebSearch,mcp__ours"
"""Those that may be used without asking; the others are offered all the same."""

_QUIET = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}


def environ(place: Place, model: str = "") -> dict[str, str]:
    """What every program that stands on Claude Code is given.

    `model`: empty: its own default, or what `--model` names.
    """
    given = {**connect(place, "claude", model=model), **_QUIET}
    if not model:
        del given["ANTHROPIC_MODEL"]
    return given


def binary(program: Program) -> Path:
    return program.modules / ".bin" / "claude"


def command(program: Program, *arguments: str) -> list[str]:
    """Claude Code without a terminal, with an event a line."""
    output = ["--print", "--output-format", "stream-json", "--verbose"]
    return [str(binary(program)), *output, "--allowedTools", TOOLS, *arguments]


def asking(
    program: Program, prompt: str, *arguments: str, model: str = ""
) -> Callable[[Place], Ended]:
    """Runs it with this prompt, to the end of the task."""
    return partial(_ask, command(program, *arguments), prompt, model)


def _ask(words: list[str], prompt: str, model: str, place: Place) -> Ended:
    return place.run(words, environ(place, model), given=prompt)


def result(ended: Ended) -> dict[str, Any]:
    """The event that ends a task."""
    assert ended.lines(), ended.errors
    last = ended.lines()[-1]
    assert last["type"] == "result", last
    return last


def says(body: Body, text: str) -> bool:
    """Whether this stands anywhere in the messages of a request."""
    return text in orjson.dumps(body["messages"]).decode()


def begun(text: str) -> Turn:
    """An answer of which the first word comes at once, and then none while a test lasts."""
    return Turn([Say(f"{text}\n\nand so on")], pace=Pace(rate=0.001))


@define
class Session:
    """A conversation that goes on: a person in a window, or a program, has Claude Code open."""

    process: "Popen[str]"
    lines: list[dict[str, Any]] = field(factory=list)
    """All that it has written."""
    _coming: SimpleQueue[str | None] = field(factory=SimpleQueue)

    def ask(self, text: str) -> dict[str, Any]:
        """Send a message, and wait for the result of its turn."""
        self.send(text)
        return self.wait_for("result")

    def send(self, text: str) -> None:
        self._write({"type": "user", "message": {"role": "user", "content": text}})

    def interrupt(self) -> None:
        """What the escape key does."""
        request = {"subtype": "interrupt"}
        self._write({"type": "control_request", "request_id": "stop", "request": request})

    def wait_for_words(self) -> None:
        """Until words of the model come; with `--include-partial-messages`."""
        while self.wait_for("stream_event")["event"]["type"] != "content_block_delta":
            pass

    def wait_for(self, kind: str) -> dict[str, Any]:
        """The next event of this type."""
        while True:
            try:
                line = self._coming.get(timeout=TIMEOUT)
            except Empty:
                raise TimeoutError(
                    f"no {kind} in {TIMEOUT} s; before: {self.lines[-3:]}"
                ) from None
            assert line is not None, f"it ended before its {kind}: {self.lines[-3:]}"
            self.lines.append(orjson.loads(line))
            if self.lines[-1]["type"] == kind:
                return self.lines[-1]

    def close(self) -> Ended:
        """No more will be said: it ends."""
        assert self.process.stdin is not None, "a pipe"
        assert self.process.stderr is not None, "a pipe"
        self.process.stdin.close()
        status = self.process.wait(TIMEOUT)
        while (line := self._coming.get(timeout=TIMEOUT)) is not None:
            self.lines.append(orjson.loads(line))
        output = "\n".join(orjson.dumps(line).decode() for line in self.lines)
        return Ended(status, output, self.process.stderr.read())

    def _write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None, "a pipe"
        self.process.stdin.write(orjson.dumps(message).decode() + "\n")
        self.process.stdin.flush()

    def _read(self) -> None:
        assert self.process.stdout is not None, "a pipe"
        for line in self.process.stdout:
            self._coming.put(line)
        self._coming.put(None)


@contextmanager
def in_a_terminal(program: Program, place: Place, prompt: str) -> Iterator[Terminal]:
    """Have it open as a person has it, who has answered all that it asks at its first start."""
    project = {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}
    answered = {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "projects": {str(place.work): project},
    }
    (place.home / ".claude.json").write_bytes(orjson.dumps(answered))
    with terminal(place, [str(binary(program)), prompt], environ(place)) as opened:
        yield opened


@contextmanager
def session(program: Program, place: Place, *arguments: str) -> Iterator[Session]:
    """Have it open for as long as the block lasts."""
    words = command(program, "--input-format", "stream-json", *arguments)
    opened = Session(place.start(words, environ(place)))
    reader = Thread(target=opened._read, name="reader")
    reader.start()
    try:
        yield opened
    finally:
        end(opened.process, reader)
