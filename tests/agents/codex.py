"""Codex's command line, with this server as a provider of one's own."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from tests.agents.connected import MODEL, connect
from tests.agents.install import Program
from tests.agents.runner import TIMEOUT, Ended, Place, end
from trioproxy.cli.clients import CLIENTS

_NO_RETRIES = """\
request_max_retries = 0
stream_max_retries = 0
"""

# There is no sandbox in a container; it is a repository of the test's own.
_FREE = "--dangerously-bypass-approvals-and-sandbox"


def binary(program: Program) -> Path:
    return program.modules / ".bin" / "codex"


def asking(
    program: Program,
    *prompts: str,
    model: str = MODEL,
    config: Sequence[str] = (),
    options: Sequence[str] = (),
) -> Callable[[Place], Ended]:
    """Runs it with the first prompt, and goes on with the others, as `codex exec resume`."""

    def drive(place: Place) -> Ended:
        environ = connect(place, "codex", model=model, more=_NO_RETRIES)
        settings = [word for setting in config for word in ("-c", setting)]
        words = [str(binary(program)), "exec", "--json", _FREE, *settings, *options]
        last = place.run([*words, prompts[0]], environ, timeout=2 * TIMEOUT)
        for prompt in prompts[1:]:
            assert last.status == 0, last.errors
            resumed = [*words, "resume", "--last", prompt]
            last = place.run(resumed, environ, timeout=2 * TIMEOUT)
        return last

    return drive


def messages(ended: Ended) -> list[str]:
    """What it has said, by the events of its last run."""
    items = [line["item"] for line in ended.lines() if line["type"] == "item.completed"]
    return [item["text"] for item in items if item["type"] == "agent_message"]


def compacting(program: Program, provider: str, *prompts: str) -> Callable[[Place], Ended]:
    """Has it open as an editor has it, and compacts the conversation behind the first prompt.

    `provider`: its name. By it Codex tells who can compact: OpenAI's servers do it themselves.
    """

    def drive(place: Place) -> Ended:
        environ = connect(place, "codex", more=_NO_RETRIES)
        file = place.home / CLIENTS["codex"].file
        file.write_text(file.read_text().replace('name = "trioproxy"', f'name = "{provider}"'))
        words = [str(binary(program)), "app-server"]
        process = place.start(words, environ)
        lines: list[str] = []

        def call(method: str, **params: Any) -> Any:
            assert process.stdin is not None
            message = {"jsonrpc": "2.0", "id": len(lines), "method": method, "params": params}
            process.stdin.write(orjson.dumps(message).decode() + "\n")
            process.stdin.flush()
            return wait(lambda line: line.get("id") == message["id"])["result"]

        def wait(is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
            assert process.stdout is not None
            for text in process.stdout:
                lines.append(text)
                line: dict[str, Any] = orjson.loads(text)
                assert "error" not in line, line
                if is_it(line):
                    return line
            raise AssertionError(lines[-3:])

        def wait_turn() -> None:
            wait(lambda line: line.get("method") == "turn/completed")

        try:
            call("initialize", clientInfo={"name": "tests", "title": "tests", "version": "1"})
            free = {"approvalPolicy": "never", "sandbox": "danger-full-access"}
            thread = call("thread/start", **free)["thread"]["id"]
            for number, prompt in enumerate(prompts):
                if number == 1:
                    call("thread/compact/start", threadId=thread)
                    wait_turn()
                call("turn/start", threadId=thread, input=[{"type": "text", "text": prompt}])
                wait_turn()
        finally:
            end(process)
        return Ended(0, "".join(lines), "")

    return drive
