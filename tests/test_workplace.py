"""Where the processes run, and what is not taken for it."""

import tempfile
from pathlib import Path

import pytest

from trioproxy.workplace import open_workplace


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / "private"
    folder.mkdir()
    return folder


def test_the_name_is_the_same_at_each_start(private: Path) -> None:
    first = open_workplace(private)
    assert open_workplace(private) == first
    assert first.parent == private.parent
    assert first.stat().st_mode & 0o777 == 0o700
    assert list(private.iterdir()) == []


def test_what_others_can_write_to_is_not_taken(private: Path) -> None:
    open_workplace(private).chmod(0o777)
    assert open_workplace(private) == private / "work"


def test_what_is_not_empty_is_not_taken(private: Path) -> None:
    (open_workplace(private) / "CLAUDE.md").touch()
    assert open_workplace(private) == private / "work"


def test_a_link_is_not_taken(private: Path) -> None:
    found = open_workplace(private)
    found.rmdir()
    found.symlink_to(private)
    assert open_workplace(private) == private / "work"


def test_what_is_no_directory_is_not_taken(private: Path) -> None:
    found = open_workplace(private)
    found.rmdir()
    found.touch()
    assert open_workplace(private) == private / "work"
