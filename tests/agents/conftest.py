"""The ways to the model, once a run, and the programs as they are installed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents.install import Program, installed, names
from tests.agents.player import Play
from tests.agents.servers import Ways, open_ways


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--straight", action="store_true", help="to the stand-in alone")


@pytest.fixture(scope="session")
def ways(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ways]:
    folder = tmp_path_factory.mktemp("ways")
    with open_ways(folder, with_server=not request.config.getoption("--straight")) as opened:
        yield opened


@pytest.fixture(scope="module")
def program(request: pytest.FixtureRequest) -> Program:
    """The one whose tests are in this module: `test_claude_code.py` are those of `claude-code`."""
    module = request.path.stem.removeprefix("test_").replace("_", "-")
    name = max(filter(module.startswith, names()), key=len)
    found = installed(name)
    if found.failed:
        pytest.skip(f"{name} could not be installed: {found.failed}")
    return found


@pytest.fixture
def play(request: pytest.FixtureRequest, program: Program, ways: Ways, tmp_path: Path) -> Play:
    task = request.node.name.removeprefix("test_").replace("_", " ")
    task = task.replace("[", ": ", 1).removesuffix("]")
    return Play(program, task, ways, tmp_path)
