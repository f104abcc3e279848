"""`scripts/test-agents [NAME ...] [--newest] [--straight] [--table] [-- PYTEST ...]`."""

import argparse
import os
import sys
import time
from typing import Final

import pytest

from tests.agents import install, results

HERE: Final = install.ROOT / "tests" / "agents"


def main() -> int:
    """Install the programs, run their tests, print the table; pytest's exit status."""
    options = _options()
    begin = time.monotonic()
    install.FOLDER.mkdir(exist_ok=True)
    wanted = options.names or install.names()
    install.install(wanted, newest=options.newest, tell=_tell)
    _tell("the tests")
    results.clear()
    straight = ["--straight"] if options.straight else []
    chosen = [str(HERE / f"test_{name.replace('-', '_')}.py") for name in wanted]
    os.chdir(install.ROOT)
    status = pytest.main([*straight, *chosen, *options.pytest])
    rows = results.load()
    print("", results.table(rows), sep="\n")
    if options.table:
        results.write(HERE / "README.md", rows)
    _tell(f"{time.monotonic() - begin:.0f} s in all")
    return int(status)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/test-agents", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(install.names()))
    parser.add_argument("--newest", action="store_true", help="the newest versions")
    parser.add_argument("--straight", action="store_true", help="to the stand-in alone")
    parser.add_argument("--table", action="store_true", help="write the table to the README")
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
