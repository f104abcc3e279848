"""Qwen Code's command line, by OpenAI's chats."""

from collections.abc import Callable

from tests.agents.connected import connect
from tests.agents.install import Program
from tests.agents.runner import Ended, Place


def asking(program: Program, *prompts: str) -> Callable[[Place], Ended]:
    """Runs it with the first prompt, and goes on with the others in a new process each."""

    def drive(place: Place) -> Ended:
        environ = connect(place, "qwen-code")
        words = [str(program.modules / ".bin" / "qwen"), "--yolo"]
        last = place.run([*words, prompts[0]], environ)
        for prompt in prompts[1:]:
            assert last.status == 0, last.errors
            last = place.run([*words, "--continue", prompt], environ)
        return last

    return drive
