"""Tasks of the Claude Agent SDK, the same for both languages."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.agents.claude_code import begun, says
from tests.agents.player import Done, Play
from tests.agents.runner import Ended, Place
from trioproxy.standin import Pace
from trioproxy.standin.bodies import Body
from trioproxy.standin.script import ODD, Call, Say, Script, Think, Turn, results, steps

RunProgram = Callable[[Place, str], Ended]
"""Runs the task with this name of the program."""


def reading(work: Path) -> Script:
    return steps(
        Turn([Think("I read."), Call("Read", {"file_path": f"{work}/a.txt"})], sizes=ODD),
        Turn([Think("I have read."), Say("Read.")], chunk=5),
        Turn([Say("As before.")]),
    )


def steering(work: Path) -> Script:
    """As `reading`; what the user says meanwhile comes with the result of the call."""

    def script(body: Body) -> Turn | None:
        if results(body) and says(body, "And now?"):
            return Turn([Say("As before.")])
        first = Turn([Call("Read", {"file_path": f"{work}/a.txt"})], pace=Pace(first=1.0))
        return steps(first, Turn([Say("Read.")]))(body)

    return script


def counting(work: Path) -> Script:
    """As `reading`, with an answer that is going to be interrupted."""

    def script(body: Body) -> Turn | None:
        if says(body, "And now?"):
            return Turn([Say("As before.")])
        return begun("Hm:") if says(body, "Count.") else reading(work)(body)

    return script


def adding(_work: Path) -> Script:
    def script(body: Body) -> Turn:
        if not results(body):
            return Turn([Call("ToolSearch", {"query": "select:mcp__ours__add"})])
        if len(results(body)) == 1:
            return Turn([Call("mcp__ours__add", {"a": 40, "b": 2})])
        return Turn([Say("It is 42.")])

    return script


def structured(_work: Path) -> Script:
    def script(body: Body) -> Turn:
        if results(body):
            return Turn([Say("There.")])
        return Turn([Call("StructuredOutput", {"name": "Ann", "age": 42})])

    return script


TASKS: dict[str, tuple[Callable[[Path], Script], list[str]]] = {
    "plain": (reading, ["Read."]),
    "with_a_system_prompt": (reading, ["Read."]),
    "with_claude_codes_prompt": (reading, ["Read."]),
    "with_streamed_input": (steering, ["As before."]),
    "with_a_client": (counting, ["Read.", "As before."]),
    "with_tools_of_its_own": (adding, ["It is 42."]),
    "with_structured_output": (structured, []),
}
"""The model of each, and the results of its turns."""


def do(play: Play, task: str, run: RunProgram) -> None:
    """Do a task both ways."""
    model, expected = TASKS[task]

    def check(done: Done) -> None:
        assert done.ended.status == 0, done.ended.errors
        lines: list[dict[str, Any]] = done.ended.lines()
        assert not [line for line in lines if line["is_error"]], lines
        if expected:
            assert [line["result"] for line in lines][-len(expected) :] == expected
        else:
            assert lines[-1]["structured_output"] == {"name": "Ann", "age": 42}
        failed = [block for block in results(done.asked[-1].body) if block.get("is_error")]
        assert not failed

    play(model(play.work), lambda place: run(place, task), check, {"a.txt": b"a\n"})
