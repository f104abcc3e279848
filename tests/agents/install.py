"""Programs, each in a folder of its own below `.agents`, at the versions of `versions.toml`.

One without packages is a script of these tests, which sends what a program sends that cannot run
here.

A program that cannot be installed is no failure: its tests are skipped, and name the command that
failed. What is there at the right version stays.
"""

import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import orjson
from attrs import asdict, frozen

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".agents"
VERSIONS = Path(__file__).with_name("versions.toml")
NODE = "node"
SCRIPT = "by its requests"
"""The version of a program that is a script of these tests."""
LINES = 12  # of what a command that failed has printed
TIMEOUT = 600.0  # seconds for one command of an installation


@frozen
class Program:
    """A program that is installed, or the reason why it is not."""

    name: str
    version: str = ""
    failed: str = ""
    """The command that failed, and the last lines of what it printed."""

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @property
    def python(self) -> Path:
        """The Python of a program from PyPI, or of the tests for one without packages."""
        own = self.folder / "bin" / "python"
        return own if own.exists() else Path(sys.executable)

    @property
    def modules(self) -> Path:
        """The packages of a program from npm."""
        return self.folder / "node_modules"


def names() -> list[str]:
    """Every program that can be asked for."""
    return [name for name in _versions() if name != NODE]


def install(expected: Sequence[str], *, newest: bool, tell: Callable[[str], None]) -> None:
    """Install the programs with these names, and Node where one of them needs it."""
    versions = _versions()
    needs_node = any("npm" in versions[name] for name in expected)
    node = _installed(NODE, versions[NODE], newest=False, tell=tell) if needs_node else None
    for name in expected:
        if node is not None and node.failed and "npm" in versions[name]:
            program = Program(name, failed=node.failed)
        else:
            program = _installed(name, versions[name], newest=newest, tell=tell)
        (FOLDER / f"{name}.json").write_bytes(orjson.dumps(asdict(program)))


def installed(name: str) -> Program:
    """What the last installation has left."""
    stored = FOLDER / f"{name}.json"
    if not stored.exists():
        return Program(name, failed=f"scripts/test-agents {name} (never run)")
    return Program(**orjson.loads(stored.read_bytes()))


def _versions() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads(VERSIONS.read_text())


def _installed(
    name: str, packages: Mapping[str, list[str]], *, newest: bool, tell: Callable[[str], None]
) -> Program:
    if not packages:
        return Program(name, SCRIPT)
    specs = {kind: _newest(kind, specs) if newest else specs for kind, specs in packages.items()}
    folder, stamp = FOLDER / name, FOLDER / name / "packages"
    if not newest and stamp.exists() and stamp.read_text() == repr(specs):
        found = _version(folder, specs)
        tell(f"{name} {found} is installed")
        return Program(name, found)
    folder.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    for command in _commands(folder, specs):
        begin = time.monotonic()
        tell(f"{name}: {' '.join(command)}")
        failure = _run(command)
        if failure is not None:
            tell(f"{name}: failed: {failure}")
            return Program(name, failed=f"{' '.join(command)}\n{failure}")
        tell(f"{name}: {time.monotonic() - begin:.0f} s")
    stamp.write_text(repr(specs))
    return Program(name, _version(folder, specs))


def _newest(kind: str, specs: list[str]) -> list[str]:
    """The first at its newest version; the others are what it is run with."""
    name = re.sub(r"(?<=.)(@|==)[^@=]*$", "", specs[0])
    return [f"{name}@latest" if kind == "npm" else name, *specs[1:]]


def _commands(folder: Path, specs: Mapping[str, list[str]]) -> Iterator[list[str]]:
    if "pypi" in specs:
        yield [sys.executable, "-m", "venv", str(folder)]
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--upgrade"]
        yield [*pip, "--disable-pip-version-check", *specs["pypi"]]
    if "npm" in specs:
        npm = str(FOLDER / NODE / "bin" / "npm")
        quiet = ["--no-audit", "--no-fund", "--loglevel=error", "--save-exact"]
        yield [npm, "install", "--prefix", str(folder), *quiet, *specs["npm"]]


def _run(command: list[str]) -> str | None:
    """Run it; the last lines of what it printed if it failed."""
    path = os.pathsep.join([str(FOLDER / NODE / "bin"), os.environ["PATH"]])
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else "\n".join(done.stdout.splitlines()[-LINES:])


def _version(folder: Path, specs: Mapping[str, list[str]]) -> str:
    """The version of the first package, as the folder has it."""
    if "npm" in specs:
        package = re.sub(r"(?<=.)@.*$", "", specs["npm"][0])
        manifest = folder / "node_modules" / package / "package.json"
        return str(orjson.loads(manifest.read_bytes())["version"])
    package = re.sub(r"==.*$", "", specs["pypi"][0])
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    python = str(folder / "bin" / "python")
    return subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
