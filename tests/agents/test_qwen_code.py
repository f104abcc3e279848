"""Tasks of Qwen Code."""

from tests.agents import coding
from tests.agents.apis import played
from tests.agents.files import png
from tests.agents.player import Done, Play
from tests.agents.qwen_code import asking
from trioproxy.standin.script import Call, Say, Turn

TOOLS = coding.Tools(
    read=lambda path: Call("read_file", {"file_path": path}),
    write=lambda path, text: Call("write_file", {"file_path": path, "content": text}),
    edit=lambda path, old, new: Call(
        "edit", {"file_path": path, "old_string": old, "new_string": new}
    ),
    run=lambda command: Call("run_shell_command", {"command": command, "is_background": False}),
    main="agent",  # its memory has the others too
)


def test_parallel_and_failed_calls(play: Play) -> None:
    coding.fails_in_part(play, "chats", TOOLS, asking(play.program, "Try."))


def test_ten_turns(play: Play) -> None:
    coding.goes_on(play, "chats", TOOLS, asking(play.program, "Begin.", "Go on."))


def test_an_image(play: Play) -> None:
    def check(done: Done) -> None:
        coding.ended_well(done, "Red.")
        blocks = [b for m in done.asked[0].body["messages"] for b in m["content"]]
        assert [block["type"] for block in blocks].count("image") == 1

    script = coding.of_the_task(TOOLS, Turn([Say("Red.")]))
    drive = asking(play.program, "What colour is @a.png?")
    played(play, "chats")(script, drive, check, {"a.png": png()})
