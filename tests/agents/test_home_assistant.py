"""What Home Assistant's integrations send: `openai_conversation` and `anthropic`."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from tests.agents import coding
from tests.agents.apis import Api, played
from tests.agents.connected import MODEL, connect
from tests.agents.files import png
from tests.agents.player import Done, Play
from tests.agents.runner import Ended, Place
from trioproxy.standin.script import ODD, Call, Say, Think, Turn, results, steps

PROGRAM = Path(__file__).with_name("home_assistant_program.py")

both_apis = pytest.mark.parametrize("api", ["messages", "responses"])


def asking(play: Play, api: Api, *words: str) -> Callable[[Place], Ended]:
    def drive(place: Place) -> Ended:
        environ = {**connect(place, "home-assistant"), "OPENAI_MODEL": MODEL}
        return place.run([play.program.python, PROGRAM, api, *words], environ)

    return drive


def on(name: str) -> Call:
    return Call("HassTurnOn", {"name": name, "domain": ["light"]})


@both_apis
def test_lights(play: Play, api: Api) -> None:
    """Two calls at once, of which one fails, and then another."""

    def check(done: Done) -> None:
        coding.ended_well(done, "The hall is lit: 世界 🌍.")
        assert done.files["house.txt"] == b"HassTurnOn Hall\nHassTurnOff Attic\n"
        texts = [str(result["content"]) for result in results(done.asked[-1].body)]
        assert ["no such light" in text for text in texts] == [False, True, False]

    script = steps(
        Turn([Think("Both."), Say("I try."), on("Hall"), on("Cellar")], sizes=ODD, chunk=11),
        Turn([Think("One more."), Call("HassTurnOff", {"name": "Attic"})], chunk=7),
        Turn([Say("The hall is lit: 世界 🌍.")], sizes=ODD),
    )
    played(play, api)(script, asking(play, api, "Light!"), check, {})


@both_apis
def test_data_of_an_image(play: Play, api: Api) -> None:
    answer = {"colour": "red", "brightness": None}

    def check(done: Done) -> None:
        assert done.ended.status == 0, done.ended.errors
        assert orjson.loads(done.ended.output) == answer
        (request,) = done.asked
        assert [b["type"] for b in request.body["messages"][0]["content"]] == ["text", "image"]
        schema = request.body["output_config"]["format"]["schema"]
        assert schema["required"] == ["colour", "brightness"]
        if api == "responses":  # OpenAI's API takes limits, and Claude's would refuse them
            brightness = schema["properties"]["brightness"]
            assert brightness["description"] == "{minimum: 0, maximum: 100}"
            assert "strict" not in schema

    script = steps(Turn([Say(orjson.dumps(answer).decode())], sizes=ODD))
    drive = asking(play, api, "Which colour?", "a.png")
    played(play, api)(script, drive, check, {"a.png": png()})
