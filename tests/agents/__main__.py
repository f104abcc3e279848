"""`scripts/test-agents [NAME ...] [--newest] [--straight] [--table] [-- PYTEST ...]`."""

import argparse
import os
import sys
import time
from hashlib import md5
from pathlib import Path
from tempfile import gettempdir

import pytest

from tests.agents import install, results

HERE = install.ROOT / "tests" / "agents"
_CHECKOUT = md5(bytes(install.ROOT), usedforsecurity=False).hexdigest()[:8]
# Not below this repository: programs look for instructions in the folders above their own.
RUNS = Path(gettempdir()) / f"trioproxy-agents-{_CHECKOUT}"


def main() -> int:
    """Install the programs, run their tests, print the table; pytest's exit status."""
    options = _options()
    begin = time.monotonic()
    install.FOLDER.mkdir(exist_ok=True)
    expected = options.names or install.names()
    install.install(expected, newest=options.newest, tell=_tell)
    _tell("the tests")
    results.clear()
    straight = ["--straight"] if options.straight else []
    patterns = [f"test_{name.replace('-', '_')}*.py" for name in expected]
    chosen = [str(path) for pattern in patterns for path in sorted(HERE.glob(pattern))]
    os.chdir(install.ROOT)
    shared = [f"--numprocesses={options.processes}", "--dist=worksteal"]
    status = pytest.main(
        [
            f"--basetemp={RUNS}",
            *(shared if options.processes > 1 else ()),
            *straight,
            *chosen,
            *options.pytest,
        ]
    )
    rows = results.load()
    print("", results.table(rows), sep="\n")
    if options.table:
        results.write(HERE / "README.md", rows)
    _tell(f"{time.monotonic() - begin:.0f} s in all; what was sent and written is in {RUNS}")
    return int(status)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/test-agents", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(install.names()))
    parser.add_argument("--newest", action="store_true", help="the newest versions")
    parser.add_argument("--straight", action="store_true", help="to the stand-in alone")
    parser.add_argument("--table", action="store_true", help="write the table to the README")
    parser.add_argument("--processes", type=int, default=2, help="tasks done at the same time")
    arguments = sys.argv[1:]
    at = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:at])
    for name in options.names:
        if name not in install.names():
            parser.error(f"{name}: no such program; there are {', '.join(install.names())}")
    options.pytest = arguments[at + 1 :]
    return options


def _tell(line: str) -> None:
    print(f"agents: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
