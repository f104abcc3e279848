"""Tasks of Cline's command line."""

from tests.agents import coding
from tests.agents.cline import asking
from tests.agents.player import Play
from trioproxy.standin.script import Call

TOOLS = coding.Tools(
    read=lambda path: Call("read_files", {"files": [{"path": path}]}),
    write=lambda path, text: Call("editor", {"path": path, "new_text": text}),
    edit=lambda path, old, new: Call("editor", {"path": path, "old_text": old, "new_text": new}),
    run=lambda command: Call("run_commands", {"commands": [command]}),
)


def test_parallel_and_failed_calls(play: Play) -> None:
    coding.fails_in_part(play, "chats", TOOLS, asking(play.program, "Try it."))


def test_five_turns(play: Play) -> None:
    coding.goes_on(play, "chats", TOOLS, asking(play.program, "Begin now."), prompts=1)
