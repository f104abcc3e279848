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


def found_for(private: Path) -> Path:
    return Path(open_workplace(str(private)))


def test_the_name_is_the_same_at_each_start(private: Path) -> None:
    first = found_for(private)
    assert found_for(private) == first
    assert first.parent == private.parent
    assert first.stat().st_mode & 0o777 == 0o700
    assert list(private.iterdir()) == []


def test_what_others_can_write_to_is_not_taken(private: Path) -> None:
    found_for(private).chmod(0o777)
    assert found_for(private) == private / "work"


def test_what_is_not_empty_is_not_taken(private: Path) -> None:
    (found_for(private) / "CLAUDE.md").touch()
    assert found_for(private) == private / "work"


def test_a_link_is_not_taken(private: Path) -> None:
    found = found_for(private)
    found.rmdir()
    found.symlink_to(private)
    assert found_for(private) == private / "work"


def test_what_is_no_directory_is_not_taken(private: Path) -> None:
    found = found_for(private)
    found.rmdir()
    found.touch()
    assert found_for(private) == private / "work"
