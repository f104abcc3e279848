"""A program, run as its user runs it: in a git repository, with a home of its own."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import orjson
from attrs import frozen

from tests.agents.install import FOLDER, NODE

TIMEOUT = 60.0  # seconds for one run of a program
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
GIT = {
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
}


@frozen
class Ended:
    """A program that has ended."""

    status: int
    output: str
    errors: str

    def lines(self) -> list[dict[str, Any]]:
        """The output of a program that writes a line of JSON for each thing that happens."""
        return [orjson.loads(line) for line in self.output.splitlines()]


@frozen
class Place:
    """Where a program runs, and all that it is given."""

    root: Path
    base_url: str

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def work(self) -> Path:
        return self.root / "work"

    def environ(self) -> dict[str, str]:
        """Nothing of the user's own. A way out that is not the loopback leads to a closed port."""
        nowhere = "http://127.0.0.1:9"
        return {
            "HOME": str(self.home),
            "PATH": f"{FOLDER / NODE / 'bin'}:{SYSTEM_PATH}",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "TERM": "dumb",
            "TMPDIR": str(self.root / "tmp"),
            "HTTPS_PROXY": nowhere,
            "HTTP_PROXY": nowhere,
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def run(
        self,
        command: Sequence[str | Path],
        environ: Mapping[str, str],
        *,
        given: str = "",
        timeout: float = TIMEOUT,
    ) -> Ended:
        """Run it to its end; what is given is its standard input.

        Raises `TimeoutExpired`; it and all that it has started are ended then.
        """
        process = self.start(command, environ)
        try:
            output, errors = process.communicate(given, timeout=timeout)
        finally:
            end(process)
        return Ended(process.returncode, output, errors)

    def start(
        self, command: Sequence[str | Path], environ: Mapping[str, str]
    ) -> "subprocess.Popen[str]":
        """Begin to run it, as the leader of a group."""
        return subprocess.Popen(
            [str(word) for word in command],
            cwd=self.work,
            env={**self.environ(), **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for_file(self, name: str) -> None:
        """Wait until the program has made it: nothing else tells that its command runs."""
        end = time.monotonic() + TIMEOUT
        while not (self.work / name).exists():
            assert time.monotonic() < end, f"no {name} in {TIMEOUT} s"
            time.sleep(0.02)

    def files(self) -> dict[str, bytes]:
        """All that is in the repository, by path."""
        found = sorted(path for path in self.work.rglob("*") if path.is_file())
        inside = ((path, path.relative_to(self.work)) for path in found)
        return {str(name): path.read_bytes() for path, name in inside if name.parts[0] != ".git"}


def end(process: "subprocess.Popen[Any]", reader: Thread | None = None) -> None:
    """End a program and what it has started, if anything of it still runs, and who reads it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if reader is not None:
        reader.join()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def make_place(root: Path, base_url: str, files: Mapping[str, bytes]) -> Place:
    """A place with a repository that has one commit; the same for the same files."""
    shutil.rmtree(root, ignore_errors=True)
    place = Place(root, base_url)
    for folder in (place.home, place.work, root / "tmp"):
        folder.mkdir(parents=True)
    for name, content in files.items():
        path = place.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for arguments in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        ["commit", "--quiet", "--allow-empty", "--message=Begin"],
    ):
        environ = {"PATH": SYSTEM_PATH, "HOME": str(place.home), **GIT}
        subprocess.run(["git", *arguments], cwd=place.work, env=environ, check=True)
    return place
