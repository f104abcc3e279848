"""Tasks of LibreChat's agents, by the package that asks for its server: each endpoint."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agents import coding
from tests.agents.apis import Api, played
from tests.agents.connected import MODEL
from tests.agents.files import png
from tests.agents.player import Done, Play
from tests.agents.runner import Ended, Place
from trioproxy.standin.script import ODD, Call, Say, Think, Turn, results, steps

PROGRAM = Path(__file__).with_name("librechat_program.mjs")

ENDPOINTS: dict[str, Api] = {
    "anthropic": "messages",
    "openAI": "chats",
    "openAIResponses": "responses",
}

every_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS)


def asking(play: Play, endpoint: str, task: str) -> Callable[[Place], Ended]:
    def drive(place: Place) -> Ended:
        # Node looks for packages in the folders above the program.
        (place.root / "node_modules").symlink_to(play.program.modules)
        program = shutil.copy(PROGRAM, place.root)
        environ = {
            "MODEL": MODEL,
            "OPENAI_BASE_URL": f"{place.base_url}/v1",
            "ANTHROPIC_BASE_URL": place.base_url,
            "OPENAI_API_KEY": "dummy",
        }
        return place.run(["node", program, endpoint, task], environ)

    return drive


def note(line: str) -> Call:
    return Call("note", {"line": line})


@every_endpoint
def test_parallel_and_failed_calls(play: Play, endpoint: str) -> None:
    def check(done: Done) -> None:
        coding.ended_well(done, "Done: 世界 🌍.")
        assert done.files["notes.txt"].decode() == "Grüße\nlast\n"
        texts = [str(result["content"]) for result in results(done.asked[-1].body)]
        assert ["no such line" in text for text in texts] == [False, True, False]

    thought = [Think("Both.")] if endpoint == "anthropic" else []
    script = steps(
        Turn([*thought, Say("I try."), note("Grüße"), note("bad")], sizes=ODD, chunk=11),
        Turn([note("last")], chunk=7),
        Turn([Say("Done: 世界 🌍.")], sizes=ODD),
    )
    played(play, ENDPOINTS[endpoint])(script, asking(play, endpoint, "notes"), check, {})


@every_endpoint
def test_an_image(play: Play, endpoint: str) -> None:
    def check(done: Done) -> None:
        coding.ended_well(done, "Red.")
        kinds = [block["type"] for block in done.asked[0].body["messages"][0]["content"]]
        assert kinds == ["text", "image"]

    drive = asking(play, endpoint, "image")
    played(play, ENDPOINTS[endpoint])(steps(Turn([Say("Red.")])), drive, check, {"a.png": png()})
