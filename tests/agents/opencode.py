"""opencode's command line, with this server as a provider in its configuration."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import orjson

from tests.agents.connected import MODEL, connect
from tests.agents.install import Program
from tests.agents.runner import TIMEOUT, Ended, Place
from trioproxy.cli.clients import CLIENTS

Provider: TypeAlias = Literal["anthropic", "own"]
"""The provider that opencode has, with another address; one of the user's, by OpenAI's chats."""

# The list of models and the language servers would be fetched.
_ENVIRON = {
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_EXPERIMENTAL_DISABLE_FILEWATCHER": "1",
}


def asking(
    program: Program, provider: Provider, *prompts: str, by: str = "--continue"
) -> Callable[[Place], Ended]:
    """Runs it with the first prompt, and goes on with the others in a new process each.

    `by`: `--continue`, the last conversation; or `--session`, the one with the first one's id.
    """

    def drive(place: Place) -> Ended:
        _configure(place)
        binary = program.modules / ".bin" / "opencode"
        words = [str(binary), "run", "--format", "json"]
        words += ["--model", f"own/{MODEL}"] if provider == "own" else []
        last = place.run([*words, prompts[0]], _ENVIRON, timeout=3 * TIMEOUT)
        for prompt in prompts[1:]:
            assert last.status == 0, last.errors
            session = [last.lines()[0]["sessionID"]] if by == "--session" else []
            last = place.run([*words, by, *session, prompt], _ENVIRON, timeout=3 * TIMEOUT)
        return last

    return drive


def printed_text(ended: Ended) -> list[str]:
    """The texts of its last run, by its events."""
    return [line["part"]["text"] for line in ended.lines() if line["type"] == "text"]


def _configure(place: Place) -> None:
    connect(place, "opencode")
    file = place.home / CLIENTS["opencode"].file
    config: dict[str, Any] = orjson.loads(file.read_bytes())
    model = {"name": "Claude", "limit": {"context": 200_000, "output": 32_000}}
    own = {
        "npm": "@ai-sdk/openai-compatible",  # opencode has it within
        "name": "Own",
        "options": config["provider"]["anthropic"]["options"],
        "models": {MODEL: model},
    }
    config["provider"]["own"] = own
    config |= {
        "autoupdate": False,
        "share": "disabled",
        "snapshot": False,  # a commit for each step, of which no request speaks
    }
    file.write_bytes(orjson.dumps(config))
