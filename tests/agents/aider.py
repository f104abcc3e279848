"""aider's command line, by Anthropic's API and by OpenAI's chats."""

from collections.abc import Callable, Mapping

from tests.agents.apis import Api
from tests.agents.connected import MODEL, connect
from tests.agents.install import Program
from tests.agents.runner import Ended, Place

# No terminal, and no way out: prices and versions would be fetched.
_QUIET = ("--no-check-update", "--analytics-disable", "--no-show-model-warnings", "--yes-always")
_ENVIRON = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}


def asking(
    program: Program, api: Api, prompt: str, *files: str, edit_format: str = "diff"
) -> Callable[[Place], Ended]:
    """Runs it with a prompt and these files in the chat."""

    def drive(place: Place) -> Ended:
        words = [str(program.folder / "bin" / "aider"), *_QUIET, "--edit-format", edit_format]
        return place.run([*words, "--message", prompt, *files], _environ(place, api))

    return drive


def _environ(place: Place, api: Api) -> Mapping[str, str]:
    if api == "messages":
        return {**connect(place, "aider"), **_ENVIRON}
    return {
        "OPENAI_API_BASE": f"{place.base_url}/v1",
        "OPENAI_API_KEY": "dummy",
        "AIDER_MODEL": f"openai/{MODEL}",
        **_ENVIRON,
    }
