"""What Cursor sends to the chat route: Claude's shapes in a chat, and the body of a response."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agents import coding
from tests.agents.apis import played
from tests.agents.connected import MODEL, connect
from tests.agents.files import png
from tests.agents.install import ROOT
from tests.agents.player import Done, Play
from tests.agents.runner import Ended, Place
from trioproxy.standin.script import ODD, Call, Say, Turn, results, steps

PROGRAM = Path(__file__).with_name("cursor_program.py")

PATCHED = 'Grüße, \\n "世界" 🌍\nend\n'

both_ways = pytest.mark.parametrize("way", ["chat", "response"])

TOOLS = coding.Tools(
    read=lambda path: Call("read_file", {"path": path}),
    write=lambda path, text: Call("write_file", {"path": path, "content": text}),
    edit=lambda path, old, new: Call("edit_file", {"path": path, "old": old, "new": new}),
    run=lambda command: Call("run_command", {"command": command}),
)


def asking(play: Play, way: str, *words: str) -> Callable[[Place], Ended]:
    def drive(place: Place) -> Ended:
        environ = {
            **connect(place, "openai"),
            "OPENAI_MODEL": MODEL,
            "PYTHONPATH": str(ROOT),
        }
        return place.run([play.program.python, PROGRAM, way, *words], environ)

    return drive


@both_ways
def test_parallel_and_failed_calls(play: Play, way: str) -> None:
    coding.fails_in_part(play, "chats", TOOLS, asking(play, way, "Try."))


@pytest.mark.parametrize("way", ["response", "mixed"])
def test_a_patch_is_a_text(play: Play, way: str) -> None:
    """Its custom tool beside a function, both called at once."""

    def check(done: Done) -> None:
        coding.ended_well(done, "Made: 世界 🌍.")
        assert done.files == {"a.txt": b"a\n", "made.txt": PATCHED.encode()}
        assert len(results(done.asked[-1].body)) == 3

    calls = [TOOLS.read("a.txt"), Call("ApplyPatch", {"input": f"made.txt\n{PATCHED}"})]
    script = steps(
        Turn([Say("Both."), *calls], sizes=ODD, chunk=11),
        Turn([TOOLS.read("made.txt")], sizes=ODD),
        Turn([Say("Made: 世界 🌍.")], chunk=7),
    )
    played(play, "chats")(script, asking(play, way, "Patch."), check, {"a.txt": b"a\n"})


@both_ways
def test_five_turns(play: Play, way: str) -> None:
    coding.goes_on(play, "chats", TOOLS, asking(play, way, "Begin."), prompts=1)


@both_ways
def test_an_image(play: Play, way: str) -> None:
    def check(done: Done) -> None:
        coding.ended_well(done, "Red.")
        kinds = [block["type"] for block in done.asked[0].body["messages"][0]["content"]]
        assert kinds == ["text", "image"]

    drive = asking(play, way, "What colour?", "a.png")
    played(play, "chats")(steps(Turn([Say("Red.")])), drive, check, {"a.png": png()})
