"""Tasks of aider. It has no tools: the model writes edits as text, and it commits them."""

import pytest

from tests.agents import coding
from tests.agents.aider import asking
from tests.agents.apis import Api, played
from tests.agents.files import png
from tests.agents.player import Done, Play
from trioproxy.standin.bodies import Body
from trioproxy.standin.script import ODD, Say, Script, Turn

both_apis = pytest.mark.parametrize("api", ["messages", "chats"])

GREETING = 'def greet(name):\n    return "Hello, " + name\n'

_UNMATCHED = "SearchReplaceNoExactMatch"


def edit(path: str, old: str, new: str) -> str:
    fence = "```"
    return f"{path}\n{fence}python\n<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE\n{fence}\n"


def answered(first: Turn, then: Turn | None = None) -> Script:
    """The answer, the one to what it says did not match, and the message of the commit.

    Its prompts begin with a conversation of examples, so turns are not counted.
    """

    def script(body: Body) -> Turn | None:
        if "commit message" in str(body["system"]):
            return Turn([Say("feat: greet in German")])
        return then if _UNMATCHED in str(body["messages"][-1]) else first

    return script


@both_apis
def test_edits_in_two_files(play: Play, api: Api) -> None:
    def check(done: Done) -> None:
        assert done.ended.status == 0, done.ended.errors
        assert done.files["greet.py"].decode() == GREETING.replace("Hello, ", "Grüß dich, ")
        assert done.files["new.py"] == b'WORD = "\xe4\xb8\x96\xe7\x95\x8c"\n'
        assert "feat: greet in German" in done.ended.output

    changed = GREETING.splitlines(keepends=True)[1]
    text = "I edit.\n\n" + edit("greet.py", changed, changed.replace("Hello, ", "Grüß dich, "))
    text += edit("new.py", "", 'WORD = "世界"\n')
    script = answered(Turn([Say(text)], sizes=ODD, chunk=11))
    drive = asking(play.program, api, "In German.", "greet.py")
    played(play, api)(script, drive, check, {"greet.py": GREETING.encode()})


@both_apis
def test_an_edit_that_does_not_fit_is_made_again(play: Play, api: Api) -> None:
    """It tells the model what did not match, which answers with another edit."""

    def check(done: Done) -> None:
        assert done.ended.status == 0, done.ended.errors
        assert done.files["greet.py"].decode() == GREETING.replace("Hello", "Hi")
        assert _UNMATCHED in str(done.asked[1].body["messages"][-1])

    changed = GREETING.splitlines(keepends=True)[1]
    script = answered(
        Turn([Say(edit("greet.py", "    nothing of it\n", "    pass\n"))]),
        Turn([Say(edit("greet.py", changed, changed.replace("Hello", "Hi")))], sizes=ODD),
    )
    drive = asking(play.program, api, "Shorter.", "greet.py")
    played(play, api)(script, drive, check, {"greet.py": GREETING.encode()})


def test_an_image(play: Play) -> None:
    """By Anthropic's API: of a model by another name, aider does not know that it can see."""

    def check(done: Done) -> None:
        coding.ended_well(done, "Red.")
        blocks = [b for m in done.asked[0].body["messages"] for b in m["content"]]
        assert [block["type"] for block in blocks].count("image") == 1

    drive = asking(play.program, "messages", "What colour?", "a.png", edit_format="ask")
    play(answered(Turn([Say("Red.")])), drive, check, {"a.png": png()})
