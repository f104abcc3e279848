import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.runner import run
from trioproxy.cli import bench


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the program would be."""
    monkeypatch.setattr(bench, "_CHECKOUT", tmp_path)
    program = tmp_path / "scripts" / "bench" / "run"
    program.parent.mkdir(parents=True)
    return program


def test_there_is_none(program: Path) -> None:
    ran = run("bench", "--fast")
    assert (ran.status, ran.out) == (2, "")
    assert f"There is no {program}." in ran.err


def test_one_that_cannot_be_run(program: Path) -> None:
    program.write_text("#!/bin/sh\n")
    ran = run("bench")
    assert ran.status == 2
    assert f"{program} cannot be run: Permission denied." in ran.err


def test_it_takes_the_place_of_the_command(program: Path) -> None:
    program.write_text('#!/bin/sh\necho "$$ $*"\nexit 7\n')
    program.chmod(0o755)
    code = (
        "import sys, pathlib; from trioproxy.cli import bench, main; "
        "bench._CHECKOUT = pathlib.Path.cwd(); sys.argv[1:] = ['bench', '--fast', 'x']; main()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    with process:
        assert process.communicate(timeout=10)[0].decode() == f"{process.pid} --fast x\n"
        assert process.returncode == 7
