"""mini-swe-agent's command line, by Anthropic's API and by OpenAI's chats."""

from collections.abc import Callable, Mapping

from tests.agents.apis import Api
from tests.agents.connected import MODEL, connect
from tests.agents.install import Program
from tests.agents.runner import TIMEOUT, Ended, Place

DONE = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
"""The command that ends a task."""


def asking(program: Program, api: Api, task: str) -> Callable[[Place], Ended]:
    """Runs it with a task, to its end."""

    def drive(place: Place) -> Ended:
        words = [str(program.folder / "bin" / "mini"), "--yolo", "--exit-immediately"]
        return place.run([*words, "--task", task], _environ(place, api), timeout=2 * TIMEOUT)

    return drive


def _environ(place: Place, api: Api) -> Mapping[str, str]:
    environ = {
        **connect(place, "mini-swe-agent"),
        "MSWEA_CONFIGURED": "true",  # it would ask at its first start
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # prices would be fetched
    }
    if api == "messages":
        return environ
    return {
        **environ,
        "OPENAI_API_BASE": f"{place.base_url}/v1",
        "OPENAI_API_KEY": "dummy",
        "MSWEA_MODEL_NAME": f"openai/{MODEL}",
    }
