"""What a script does where nothing is installed yet: it installs, and runs again in .venv.

Only the standard library, and nothing that an old Python cannot read: `scripts/install` is the
one to say which Python is wanted.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

_ROOT = Path(__file__).resolve().parent.parent
_VENV = _ROOT / ".venv"


def install_and_run_again() -> NoReturn:
    """Start the running script once more, where trioproxy can be imported."""
    if Path(sys.prefix).resolve() == _VENV:
        sys.exit(f"trioproxy is missing from {_VENV}: delete that directory, and try again.")
    environ = {"PYTHON": sys.executable, **os.environ}
    install = str(_ROOT / "scripts" / "install")
    installed = subprocess.run([install, "cli"], env=environ, check=False)  # noqa: S603 - our own
    if installed.returncode:
        sys.exit(installed.returncode)
    python = str(_VENV / "bin" / "python")
    os.execv(python, [python, *sys.argv])  # noqa: S606 - no shell is wanted
