"""Qwen Code's command line, by each of the three APIs."""

from collections.abc import Callable

from tests.agents.apis import Api
from tests.agents.connected import MODEL, connect
from tests.agents.install import Program
from tests.agents.runner import TIMEOUT, Ended, Place

_KINDS: dict[Api, str] = {
    "messages": "anthropic",
    "chats": "openai",
    "responses": "openai-responses",
}
"""Its name for each API."""


def asking(program: Program, api: Api, *prompts: str) -> Callable[[Place], Ended]:
    """Runs it with the first prompt, and goes on with the others in a new process each."""

    def drive(place: Place) -> Ended:
        environ = {
            **connect(place, "qwen-code"),
            **connect(place, "anthropic"),
            "ANTHROPIC_MODEL": MODEL,
        }
        words = [str(program.modules / ".bin" / "qwen"), "--yolo", "--auth-type", _KINDS[api]]
        last = place.run([*words, prompts[0]], environ, timeout=2 * TIMEOUT)
        for prompt in prompts[1:]:
            assert last.status == 0, last.errors
            last = place.run([*words, "--continue", prompt], environ, timeout=2 * TIMEOUT)
        return last

    return drive
