"""Tasks of Continue's command line, by Anthropic's API and by OpenAI's chats."""

import pytest

from tests.agents import coding
from tests.agents.apis import Api
from tests.agents.continue_cli import asking
from tests.agents.player import Play
from trioproxy.standin.script import Call

both_apis = pytest.mark.parametrize("api", ["messages", "chats"])

TOOLS = coding.Tools(
    read=lambda path: Call("Read", {"filepath": path}),
    write=lambda path, text: Call("Write", {"filepath": path, "content": text}),
    edit=lambda path, old, new: Call(
        "MultiEdit", {"file_path": path, "edits": [{"old_string": old, "new_string": new}]}
    ),
    run=lambda command: Call("Bash", {"command": command}),
)


@both_apis
def test_parallel_and_failed_calls(play: Play, api: Api) -> None:
    coding.fails_in_part(play, api, TOOLS, asking(play.program, api, "Try."))


@both_apis
def test_ten_turns(play: Play, api: Api) -> None:
    coding.goes_on(play, api, TOOLS, asking(play.program, api, "Begin.", "Go on."))
