"""Tasks of llm: a conversation, tools in Python, an image, a schema."""

import orjson
import pytest

from tests.agents import coding
from tests.agents.apis import Api, played
from tests.agents.files import png
from tests.agents.llm import asking
from tests.agents.player import Done, Play
from trioproxy.standin.script import Call, Say, Turn, results, steps

both_apis = pytest.mark.parametrize("api", ["messages", "chats"])

TOOLS = b"""\
def upper(text: str) -> str:
    "In capitals."
    return text.upper()

def fail() -> str:
    "It fails."
    raise ValueError("wrong")
"""


@both_apis
def test_a_conversation(play: Play, api: Api) -> None:
    def check(done: Done) -> None:
        coding.ended_well(done, "Third: Grüße.")
        assert [len(item.body["messages"]) for item in done.asked] == [1, 3, 5]

    texts = ["First.", "Second.", "Third: Grüße."]
    script = steps(*(Turn([Say(text)], chunk=3) for text in texts))
    drive = asking(play.program, api, ("--system", "Be brief.", "One."), ("Two.",), ("Three.",))
    played(play, api)(script, drive, check, {})


@both_apis
def test_parallel_and_failed_calls(play: Play, api: Api) -> None:
    def check(done: Done) -> None:
        coding.ended_well(done, "All done.")
        texts = [str(result["content"]) for result in results(done.asked[-1].body)]
        assert ["GRÜSSE" in text for text in texts] == [True, False, False]
        assert ["wrong" in text for text in texts] == [False, True, False]
        assert "AGAIN" in texts[2]

    script = steps(
        Turn([Say("Both."), Call("upper", {"text": "grüße"}), Call("fail")], chunk=11),
        Turn([Call("upper", {"text": "again"})]),
        Turn([Say("All done.")]),
    )
    drive = asking(play.program, api, ("--functions", "tools.py", "Try."))
    played(play, api)(script, drive, check, {"tools.py": TOOLS})


@both_apis
def test_an_image_and_a_schema(play: Play, api: Api) -> None:
    answer = {"colour": "red"}

    def check(done: Done) -> None:
        assert done.ended.status == 0, done.ended.errors
        assert orjson.loads(done.ended.output) == answer
        (request,) = done.asked
        kinds = [block["type"] for block in request.body["messages"][0]["content"]]
        assert sorted(kinds) == ["image", "text"]

    drive = asking(
        play.program, api, ("--attachment", "a.png", "--schema", "colour str", "Which?")
    )
    script = steps(Turn([Say(orjson.dumps(answer).decode())]))
    played(play, api)(script, drive, check, {"a.png": png()})
