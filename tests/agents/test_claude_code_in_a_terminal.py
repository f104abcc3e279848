"""Tasks of Claude Code as a person sets them, at a terminal, with a new user's settings."""

from tests.agents.claude_code import begun, in_a_terminal, says
from tests.agents.player import Done, Play
from tests.agents.runner import Ended, Place
from trioproxy.standin.bodies import Body
from trioproxy.standin.script import ODD, Call, Say, Think, Turn, results, steps


def test_a_conversation_and_its_compaction(play: Play) -> None:
    def drive(place: Place) -> Ended:
        with in_a_terminal(play.program, place, "Copy a.txt.") as terminal:
            terminal.wait_for("It is copied.")
            terminal.type("And now?")
            terminal.wait_for("As before.")
            terminal.type("/compact")
            terminal.wait_for("Compacted")
            terminal.type("What was it?")
            terminal.wait_for("A list, I think.")
            terminal.type("/exit")
            return terminal.close()

    def script(body: Body) -> Turn | None:
        if says(body, "Your task is to create a detailed summary"):
            return Turn([Say("<summary>It was a list.</summary>")])
        if says(body, "It was a list."):
            return Turn([Say("A list, I think.")])
        return working(body)

    working = steps(
        Turn([Think("I look."), Call("Read", {"file_path": f"{play.work}/a.txt"})], sizes=ODD),
        Turn([Call("Write", {"file_path": f"{play.work}/b.txt", "content": "a\n"})], chunk=17),
        Turn([Say("It is copied.")]),
        Turn([Say("As before.")]),
    )

    def check(done: Done) -> None:
        assert done.ended.status == 0
        assert done.files == {"a.txt": b"a\n", "b.txt": b"a\n"}
        assert says(done.asked[-1].body, "What was it?")

    play(script, drive, check, {"a.txt": b"a\n"})


def test_a_command_in_auto_mode(play: Play) -> None:
    """Each request asks the API to check the calls; the stand-in, as many gateways, does not."""

    def drive(place: Place) -> Ended:
        with in_a_terminal(play.program, place, "Make it.") as terminal:
            terminal.wait_for("It is made.")
            terminal.type("/exit")
            return terminal.close()

    script = steps(
        Turn([Call("Bash", {"command": "echo made > made.txt", "description": "Make"})]),
        Turn([Say("It is made.")]),
    )

    def check(done: Done) -> None:
        assert done.ended.status == 0
        assert done.files == {"made.txt": b"made\n"}
        assert "safeguards" in done.asked[0].body

    play(script, drive, check)


def test_escape_and_what_is_said_then(play: Play) -> None:
    def drive(place: Place) -> Ended:
        with in_a_terminal(play.program, place, "Count.") as terminal:
            terminal.wait_for("Hm:")
            terminal.press_escape()
            terminal.wait_for("Interrupted")
            terminal.type("The other thing, please.")
            terminal.wait_for("That is the other thing.")
            terminal.type("/exit")
            return terminal.close()

    def script(body: Body) -> Turn:
        if says(body, "The other thing, please."):
            return Turn([Say("That is the other thing.")])
        return begun("Hm:")

    def check(done: Done) -> None:
        assert done.ended.status == 0
        assert len(done.asked) == 2
        assert not results(done.asked[1].body)

    play(script, drive, check)
