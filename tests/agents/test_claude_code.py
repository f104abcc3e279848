"""Tasks of Claude Code, as its users set them."""

from tests.agents.claude_code import asking, result
from tests.agents.playing import Done, Play
from trioproxy.standin.script import ODD, Call, Say, Think, Turn, results, steps


def test_read_write_edit_and_bash(play: Play) -> None:
    """A task with the tools of every day, in a stream that is cut at odd places."""

    def check(done: Done) -> None:
        assert result(done.ended)["result"] == "All done: Grüße, 世界 🌍."
        assert result(done.ended)["is_error"] is False
        assert done.files == {"notes.txt": "Grüße, 世界 🌍\n", "out.txt": "Grüße, 世界 🌍\n"}
        assert not [block for block in results(done.asked[-1].body) if block.get("is_error")]

    def inside(name: str) -> dict[str, str]:
        return {"file_path": f"{play.folder}/place/work/{name}"}

    script = steps(
        Turn([Think("Look."), Say("I read it."), Call("Read", inside("notes.txt"))], sizes=ODD),
        Turn(
            [Call("Edit", {**inside("notes.txt"), "old_string": "Hi", "new_string": "Grüße"})],
            chunk=7,
        ),
        Turn([Call("Write", {**inside("out.txt"), "content": "x"})], sizes=ODD, chunk=13),
        Turn([Call("Bash", {"command": "cat notes.txt > out.txt", "description": "Copy"})]),
        Turn([Think("Good."), Say("All done: Grüße, 世界 🌍.")], sizes=ODD, chunk=3),
    )
    files = {"notes.txt": "Hi, 世界 🌍\n".encode()}
    play(script, asking(play.program, "Do it."), check, files)
