"""Tasks that every agent that writes code can do, whatever its tools are called."""

from collections.abc import Callable

from attrs import frozen

from tests.agents.apis import Api, played
from tests.agents.player import Done, Drive, Play
from trioproxy.standin.bodies import Body
from trioproxy.standin.script import (
    ODD,
    Call,
    Part,
    Say,
    Script,
    Think,
    Turn,
    offered,
    results,
    steps,
)


@frozen
class Tools:
    """How an agent's tools are called. The paths are absolute."""

    read: Callable[[str], Call]
    write: Callable[[str, str], Call]
    """A path, and what is to be in a new file."""
    edit: Callable[[str, str, str], Call]
    """A path, the old text and the new one."""
    run: Callable[[str], Call]
    """A command of the shell."""
    main: str = ""
    """A tool that only the conversation of the task has; empty: `run`. What is asked beside, as a
    title, has none."""
    thinks: bool = False
    """Whether it asks for thoughts, and keeps them."""


def fails_in_part(play: Play, api: Api, tools: Tools, drive: Drive) -> None:
    """Calls at once, of which two fail."""

    def check(done: Done) -> None:
        ended_well(done, "Two of four failed.")
        texts = [str(result["content"]) for result in results(longest(done))]
        assert len(texts) == 4
        assert "of a" in texts[0]
        assert "of a" not in texts[1]
        assert "wrong" in texts[2]
        assert done.files["made.txt"] == b"made\n"

    calls = [tools.read(f"{play.work}/a.txt"), tools.read(f"{play.work}/none.txt")]
    calls += [tools.run("echo wrong >&2; exit 3"), tools.run("echo made > made.txt")]
    script = of_the_task(
        tools,
        Turn([*_thought(tools, "All at once."), Say("I look."), *calls], chunk=11),
        Turn([Say("Two of four failed.")]),
    )
    played(play, api)(script, drive, check, {"a.txt": b"line of a\n"})


def goes_on(play: Play, api: Api, tools: Tools, drive: Drive, *, prompts: int = 2) -> None:
    """At each prompt a new file, which is read, edited and copied, in five turns."""

    def check(done: Done) -> None:
        ended_well(done, f"Done with {prompts - 1}: Grüße, 世界 🌍.")
        written = {name: data for name, data in done.files.items() if name.endswith(".txt")}
        expected = [text(str(number)).encode() for number in range(prompts)]
        assert written == {
            f"{name}{number}.txt": data
            for number, data in enumerate(expected)
            for name in ("made", "copy")
        }
        assert len(results(longest(done))) == 4 * prompts

    def text(number: str) -> str:
        return f'Grüße {number}, \\n "世界" 🌍\nend of {number}\n'

    def day(number: str) -> list[Turn]:
        made = f"{play.work}/made{number}.txt"
        before = text(number).replace("end of", "begin of")
        copy = f"cat made{number}.txt > copy{number}.txt"
        first: list[Part] = [*_thought(tools, "New."), Say("I make it.")]
        edit = tools.edit(made, f"begin of {number}", f"end of {number}")
        return [
            Turn([*first, tools.write(made, before)]),
            Turn([Say("I read it."), tools.read(made)], sizes=ODD, chunk=7),
            Turn([*_thought(tools, "Now the end."), edit], sizes=ODD, chunk=13),
            Turn([tools.run(copy)], sizes=ODD),
            Turn([Say(f"Done with {number}: Grüße, 世界 🌍.")], chunk=3),
        ]

    turns = [turn for number in range(prompts) for turn in day(str(number))]
    played(play, api)(of_the_task(tools, *turns), drive, check, {})


def of_the_task(tools: Tools, *turns: Turn) -> Script:
    """Answers the conversation of the task with these, and what is asked beside with a word."""
    conversation = steps(*turns)
    main = tools.main or tools.run("").name
    return lambda body: conversation(body) if main in offered(body) else Turn([Say("Nothing.")])


def longest(done: Done) -> Body:
    """The request with the most results of tools: the last of the task's conversation."""
    found: Body = max((item.body for item in done.asked), key=lambda body: len(results(body)))
    return found


def ended_well(done: Done, text: str) -> None:
    """The program has ended by itself, and has shown this."""
    assert done.ended.status == 0, done.ended.errors
    assert text in done.ended.output, done.ended.output


def _thought(tools: Tools, text: str) -> list[Think]:
    return [Think(text)] if tools.thinks else []
