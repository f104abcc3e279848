"""Tasks of opencode, as its users set them: by Anthropic's API, and by OpenAI's chats."""

from typing import Any

import pytest

from tests.agents.apis import Api, played
from tests.agents.opencode import Provider, asking, printed_text
from tests.agents.player import Done, Play
from trioproxy.standin.bodies import Body
from trioproxy.standin.script import (
    ODD,
    Call,
    Say,
    Script,
    Think,
    Turn,
    offered,
    results,
    steps,
)

APIS: dict[Provider, Api] = {"anthropic": "messages", "own": "chats"}

both = pytest.mark.parametrize("provider", APIS)


def titled(*turns: Turn) -> Script:
    """opencode asks for a title beside, and offers no tools then."""
    conversation = steps(*turns)
    return lambda body: conversation(body) if offered(body) else Turn([Say("A title")])


def bash(command: str) -> Call:
    return Call("bash", {"command": command, "description": "Run it"})


def ended_well(done: Done, text: str, turns: int) -> None:
    assert done.ended.status == 0, done.ended.errors
    assert printed_text(done.ended)[-1:] == [text], done.ended.output
    bodies = [item.body for item in done.asked]
    assert sum(bool(offered(body)) for body in bodies) == turns
    assert len(bodies) == turns + 1  # the title


def last_of(done: Done, *, results_: int) -> Body:
    """The request with the whole conversation, which has these results of tools."""
    found: list[Body] = [item.body for item in done.asked if len(results(item.body)) == results_]
    return found[-1]


@both
def test_parallel_and_failed_calls(play: Play, provider: Provider) -> None:
    def check(done: Done) -> None:
        ended_well(done, "Two of five failed.", turns=2)
        texts = [str(result["content"]) for result in results(last_of(done, results_=5))]
        assert ["File not found" in text for text in texts] == [False, True, False, False, False]
        assert "wrong" in texts[3]
        assert done.files["made.txt"] == b"made\n"

    def read(name: str) -> Call:
        return Call("read", {"filePath": f"{play.work}/{name}"})

    calls = [read("a.txt"), read("none.txt"), read("b.txt")]
    calls += [bash("echo wrong >&2; exit 3"), bash("echo made > made.txt")]
    script = titled(
        Turn([Think("All at once."), Say("I look."), *calls], chunk=11),
        Turn([Say("Two of five failed.")]),
    )
    files = {"a.txt": b"a\n", "b.txt": b"b\n"}
    played(play, APIS[provider])(script, asking(play.program, provider, "Try."), check, files)


@pytest.mark.parametrize(("provider", "by"), [("anthropic", "--continue"), ("own", "--session")])
def test_ten_turns(play: Play, provider: Provider, by: str) -> None:
    """Two prompts: each a new file, which is read, edited and copied."""

    def check(done: Done) -> None:
        ended_well(done, "Done with 1: Grüße, 世界 🌍.", turns=10)
        names = ("made0.txt", "copy0.txt", "made1.txt", "copy1.txt")
        assert done.files == {name: text(name[4]).encode() for name in names}
        assert len(results(last_of(done, results_=8))) == 8

    def text(number: str) -> str:
        return f'Grüße {number}, \\n "世界" 🌍\nend of {number}\n'

    def day(number: str) -> list[Turn]:
        made: dict[str, Any] = {"filePath": f"{play.work}/made{number}.txt"}
        before = text(number).replace("end of", "begin of")
        edit = {**made, "oldString": f"begin of {number}", "newString": f"end of {number}"}
        return [
            Turn([Think("New."), Say("I make it."), Call("write", {**made, "content": before})]),
            Turn([Say("I read it."), Call("read", made)], sizes=ODD, chunk=7),
            Turn([Think("Now the end."), Call("edit", edit)], sizes=ODD, chunk=13),
            Turn([bash(f"cat made{number}.txt > copy{number}.txt")], sizes=ODD),
            Turn([Think("Good."), Say(f"Done with {number}: Grüße, 世界 🌍.")], chunk=3),
        ]

    drive = asking(play.program, provider, "Begin.", "Go on.", by=by)
    played(play, APIS[provider])(titled(*day("0"), *day("1")), drive, check, {})
