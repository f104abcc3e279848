"""Claude Code's command line."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.agents.install import Program
from tests.agents.running import Ended, Place

TOOLS: Final = "Read,Write,Edit,Bash,Task,WebSearch"
"""Those that may be used without asking; the others are offered all the same."""


def environ(place: Place) -> dict[str, str]:
    """What every program that stands on Claude Code is given."""
    return {
        "ANTHROPIC_BASE_URL": place.base_url,
        "ANTHROPIC_API_KEY": "dummy",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def binary(program: Program) -> Path:
    return program.modules / ".bin" / "claude"


def command(program: Program, *arguments: str) -> list[str]:
    """Claude Code without a terminal, with an event a line."""
    output = ["--print", "--output-format", "stream-json", "--verbose"]
    return [str(binary(program)), *output, "--allowedTools", TOOLS, *arguments]


def asking(program: Program, prompt: str, *arguments: str) -> Callable[[Place], Ended]:
    """Runs it with this prompt, to the end of the task."""
    return partial(_ask, command(program, *arguments), prompt)


def _ask(words: list[str], prompt: str, place: Place) -> Ended:
    return place.run(words, environ(place), given=prompt)


def result(ended: Ended) -> dict[str, Any]:
    """The event that ends a task."""
    assert ended.lines(), ended.errors
    last = ended.lines()[-1]
    assert last["type"] == "result", last
    return last
