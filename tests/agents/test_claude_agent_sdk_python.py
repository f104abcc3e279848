"""Programs of the Claude Agent SDK for Python."""

from pathlib import Path

import pytest

from tests.agents import sdk_tasks
from tests.agents.claude_code import environ
from tests.agents.player import Play

PROGRAM = Path(__file__).with_name("sdk_program.py")


@pytest.mark.parametrize("task", sdk_tasks.TASKS)
def test_program(play: Play, task: str) -> None:
    python = play.program.python
    sdk_tasks.do(
        play, task, lambda place, name: place.run([python, PROGRAM, name], environ(place))
    )
