"""Tasks of pi, by each of the three APIs."""

import pytest

from tests.agents import coding
from tests.agents.apis import Api, played
from tests.agents.files import png
from tests.agents.pi import asking
from tests.agents.player import Done, Play
from trioproxy.standin.script import Call, Say, Turn, steps

every_api = pytest.mark.parametrize("api", ["messages", "chats", "responses"])

TOOLS = coding.Tools(
    read=lambda path: Call("read", {"path": path}),
    write=lambda path, text: Call("write", {"path": path, "content": text}),
    edit=lambda path, old, new: Call(
        "edit", {"path": path, "edits": [{"oldText": old, "newText": new}]}
    ),
    run=lambda command: Call("bash", {"command": command}),
    thinks=True,
)


@every_api
def test_parallel_and_failed_calls(play: Play, api: Api) -> None:
    coding.fails_in_part(play, api, TOOLS, asking(play.program, api, "Try."))


@every_api
def test_ten_turns(play: Play, api: Api) -> None:
    coding.goes_on(play, api, TOOLS, asking(play.program, api, "Begin.", "Go on."))


@every_api
def test_an_image(play: Play, api: Api) -> None:
    def check(done: Done) -> None:
        coding.ended_well(done, "Red.")
        (request,) = done.asked
        kinds = [block["type"] for block in request.body["messages"][-1]["content"]]
        assert kinds.count("image") == 1

    drive = asking(play.program, api, "What colour?", files=("a.png",))
    played(play, api)(steps(Turn([Say("Red.")])), drive, check, {"a.png": png()})
