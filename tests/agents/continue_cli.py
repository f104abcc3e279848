"""Continue's command line, by Anthropic's API and by OpenAI's chats."""

from collections.abc import Callable

from tests.agents.apis import Api
from tests.agents.connected import connect
from tests.agents.install import Program
from tests.agents.runner import Ended, Place
from trioproxy.cli.clients import CLIENTS

_QUIET = {"CONTINUE_TELEMETRY_ENABLED": "0"}


def asking(program: Program, api: Api, *prompts: str) -> Callable[[Place], Ended]:
    """Runs it with the first prompt, and goes on with the others in a new process each."""

    def drive(place: Place) -> Ended:
        environ = {**connect(place, "continue"), **_QUIET}
        if api == "chats":
            file = place.home / CLIENTS["continue"].file
            file.write_text(file.read_text().replace("provider: anthropic", "provider: openai"))
        words = [str(program.modules / ".bin" / "cn"), "--auto"]
        last = place.run([*words, "-p", prompts[0]], environ)
        for prompt in prompts[1:]:
            assert last.status == 0, last.errors
            last = place.run([*words, "--resume", "-p", prompt], environ)
        return last

    return drive
