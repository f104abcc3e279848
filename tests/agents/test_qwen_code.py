"""Tasks of Qwen Code, by each of the three APIs."""

import pytest

from tests.agents import coding
from tests.agents.apis import Api, played
from tests.agents.files import png
from tests.agents.player import Done, Play
from tests.agents.qwen_code import asking
from trioproxy.standin.script import Call, Say, Turn

every_api = pytest.mark.parametrize("api", ["messages", "chats", "responses"])

TOOLS = coding.Tools(
    read=lambda path: Call("read_file", {"file_path": path}),
    write=lambda path, text: Call("write_file", {"file_path": path, "content": text}),
    edit=lambda path, old, new: Call(
        "edit", {"file_path": path, "old_string": old, "new_string": new}
    ),
    run=lambda command: Call("run_shell_command", {"command": command, "is_background": False}),
    main="agent",  # its memory has the others too
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
        blocks = [b for m in done.asked[0].body["messages"] for b in m["content"]]
        assert [block["type"] for block in blocks].count("image") == 1

    script = coding.of_the_task(TOOLS, Turn([Say("Red.")]))
    drive = asking(play.program, api, "What colour is @a.png?")
    played(play, api)(script, drive, check, {"a.png": png()})
