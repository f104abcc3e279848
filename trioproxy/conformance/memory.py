"""Which CLIs have passed a trial, kept over restarts in the user's state directory.

It says nothing but which CLI, by a hash of its path, size and time. Where it cannot be read or
written, or the trial has failed, the next start tries again.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

_FILE = "conformance.json"
_KEPT = 20  # CLIs


def state_folder(environ: Mapping[str, str]) -> Path | None:
    """Where the user's state of this server is kept; None: there is no home."""
    base = environ.get("XDG_STATE_HOME", "")
    if base.startswith("/"):
        return Path(base) / "trioproxy"
    home = environ.get("HOME", "")
    return Path(home) / ".local" / "state" / "trioproxy" if home.startswith("/") else None


def fingerprint(binary: str, version: str, arguments: tuple[str, ...]) -> str:
    """Which CLI, and how it is started, by which version of this server."""
    about = Path(binary).stat()
    what = [str(Path(binary).resolve()), about.st_size, about.st_mtime_ns, version, *arguments]
    return sha256(json.dumps(what).encode()).hexdigest()


def has_passed(folder: Path | None, key: str) -> bool:
    """Whether this one has."""
    return key in _read(folder)


def remember(folder: Path | None, key: str) -> None:
    """It has passed."""
    if folder is None:
        return
    others = [kept for kept in _read(folder) if kept != key]
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = folder / f"{_FILE}.{os.getpid()}"
        new.write_text(json.dumps([*others[1 - _KEPT :], key]))
        new.replace(folder / _FILE)


def _read(folder: Path | None) -> list[object]:
    if folder is None:
        return []
    with suppress(OSError, ValueError):
        found = json.loads((folder / _FILE).read_text())
        if isinstance(found, list):
            return found
    return []
