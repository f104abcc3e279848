"""Programs of the Claude Agent SDK for TypeScript."""

import shutil
from pathlib import Path

import pytest

from tests.agents import sdk_tasks
from tests.agents.claude_code import environ
from tests.agents.player import Play
from tests.agents.runner import Ended, Place

PROGRAM = Path(__file__).with_name("sdk_program.mts")


@pytest.mark.parametrize("task", sdk_tasks.TASKS)
def test_program(play: Play, task: str) -> None:
    def run(place: Place, name: str) -> Ended:
        # Node looks for packages in the folders above the program.
        (place.root / "node_modules").symlink_to(play.program.modules)
        program = shutil.copy(PROGRAM, place.root)
        return place.run(["node", program, name], environ(place))

    sdk_tasks.do(play, task, run)
