"""pi's command line, by each of the three APIs."""

from collections.abc import Callable

from tests.agents.apis import Api
from tests.agents.connected import MODEL, connect
from tests.agents.install import Program
from tests.agents.runner import Ended, Place
from trioproxy.cli.clients import CLIENTS

_APIS: dict[Api, tuple[str, str]] = {
    "messages": ("anthropic-messages", ""),
    "chats": ("openai-completions", "/v1"),
    "responses": ("openai-responses", "/v1"),
}
"""Its name for each, and the path that it is called at."""


def asking(
    program: Program, api: Api, *prompts: str, files: tuple[str, ...] = ()
) -> Callable[[Place], Ended]:
    """Runs it with the first prompt, and goes on with the others in a new process each."""

    def drive(place: Place) -> Ended:
        environ = connect(place, "pi")
        name, path = _APIS[api]
        settings = place.home / CLIENTS["pi"].file
        text = settings.read_text().replace("anthropic-messages", name)
        settings.write_text(text.replace(place.base_url, f"{place.base_url}{path}"))
        binary = str(program.modules / ".bin" / "pi")
        words = [binary, "--offline", "--model", f"trioproxy/{MODEL}", "--thinking", "low"]
        last = place.run([*words, *(f"@{name}" for name in files), "-p", prompts[0]], environ)
        for prompt in prompts[1:]:
            assert last.status == 0, last.errors
            last = place.run([*words, "--continue", "-p", prompt], environ)
        return last

    return drive
