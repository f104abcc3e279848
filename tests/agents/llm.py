"""llm's command line, by OpenAI's chats, and by Anthropic's API with its plugin."""

from collections.abc import Callable

from tests.agents.apis import Api
from tests.agents.connected import connect
from tests.agents.install import Program
from tests.agents.runner import Ended, Place
from trioproxy.cli.clients import CLIENTS, Server


def asking(program: Program, api: Api, *prompts: tuple[str, ...]) -> Callable[[Place], Ended]:
    """Runs it with the words of the first prompt, and goes on with the others."""
    model = "trioproxy" if api == "chats" else "anthropic/claude-sonnet-4-5"

    def drive(place: Place) -> Ended:
        anthropic = CLIENTS["anthropic"].variables(Server(place.base_url, "dummy"))
        environ = {**connect(place, "llm"), **anthropic}
        binary = str(program.folder / "bin" / "llm")
        first, *others = prompts
        last = place.run([binary, "--model", model, *first], environ)
        for words in others:
            assert last.status == 0, last.errors
            last = place.run([binary, "--continue", *words], environ)
        return last

    return drive
