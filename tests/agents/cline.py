"""Cline's command line, by OpenAI's chats: its provider for Anthropic has no other address."""

import shlex
from collections.abc import Callable

from tests.agents.connected import MODEL
from tests.agents.install import Program
from tests.agents.runner import TIMEOUT, Ended, Place
from trioproxy.cli.clients import CLIENTS, Server


def asking(program: Program, *prompts: str) -> Callable[[Place], Ended]:
    """Sets it up, runs it with the first prompt, and goes on with the others."""

    def drive(place: Place) -> Ended:
        binary = str(program.modules / ".bin" / "cline")
        setup, _ = CLIENTS["cline"].commands(Server(place.base_url, "dummy", MODEL))
        last = place.run([binary, *shlex.split(setup)[1:]], {})
        session: list[str] = []
        for prompt in prompts:
            assert last.status == 0, last.errors
            last = place.run([binary, "--json", *session, prompt], {}, timeout=2 * TIMEOUT)
            session = ["--id", _task(last)]
        return last

    return drive


def _task(ended: Ended) -> str:
    return str(next(line["taskId"] for line in ended.lines() if "taskId" in line))
