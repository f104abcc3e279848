"""Where processes run that tell the API where: an empty directory, of one name at each start.

A CLI with a login does, in each request. A name that changed with each start would keep the API
from finding in its cache what it was asked before. The directory stays: others may be in it.
"""

import os
import tempfile
from pathlib import Path


def open_workplace(private: str) -> str:
    """Such a directory, which nobody else can write to; else one in `private`, which is new."""
    found = Path(tempfile.gettempdir(), f"trioproxy-{os.getuid()}")
    try:
        found.mkdir(mode=0o700, exist_ok=True)
        if _is_ours(found):
            return str(found)
    except OSError:
        pass
    fallback = Path(private, "work")
    fallback.mkdir()
    return str(fallback)


def _is_ours(folder: Path) -> bool:
    """Whether it is an empty directory of this user's alone."""
    about = folder.lstat()
    is_closed = about.st_uid == os.getuid() and not about.st_mode & 0o077
    return is_closed and not folder.is_symlink() and not any(folder.iterdir())
