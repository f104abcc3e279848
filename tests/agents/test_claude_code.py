"""Tasks of Claude Code, as its users set them."""

import time
from typing import Any

import orjson
import pytest

from tests.agents.claude_code import asking, begun, result, says, session
from tests.agents.files import pdf, png
from tests.agents.install import ROOT
from tests.agents.player import Done, Play
from tests.agents.runner import Ended, Place
from trioproxy.standin import ApiError, Pace
from trioproxy.standin.bodies import Body
from trioproxy.standin.script import (
    ODD,
    Call,
    Given,
    Say,
    Script,
    Think,
    Turn,
    offered,
    refusal,
    results,
    steps,
)


def ended_well(done: Done, text: str) -> None:
    last = result(done.ended)
    assert last["result"] == text
    assert last["is_error"] is False


def failed_calls(body: Body) -> list[Any]:
    return [block["content"] for block in results(body) if block.get("is_error")]


def test_read_write_edit_and_bash(play: Play) -> None:
    """A task with the tools of every day, in a stream that is cut at odd places."""

    def check(done: Done) -> None:
        ended_well(done, "All done: Grüße, 世界 🌍.")
        text = "Grüße, 世界 🌍\n".encode()
        assert done.files == {"notes.txt": text, "out.txt": text}
        assert not failed_calls(done.asked[-1].body)

    notes, out = {"file_path": f"{play.work}/notes.txt"}, {"file_path": f"{play.work}/out.txt"}
    edit = Call("Edit", {**notes, "old_string": "Hi", "new_string": "Grüße"})
    script = steps(
        Turn([Think("Look."), Say("I read it."), Call("Read", notes)], sizes=ODD),
        Turn([edit], chunk=7),
        Turn([Call("Write", {**out, "content": "x"})], sizes=ODD, chunk=13),
        Turn([Call("Bash", {"command": "cat notes.txt > out.txt", "description": "Copy"})]),
        Turn([Think("Good."), Say("All done: Grüße, 世界 🌍.")], sizes=ODD, chunk=3),
    )
    files = {"notes.txt": "Hi, 世界 🌍\n".encode()}
    play(script, asking(play.program, "Do it."), check, files)


def test_parallel_and_failed_calls(play: Play) -> None:
    def check(done: Done) -> None:
        ended_well(done, "Two of five failed.")
        assert len(results(done.asked[1].body)) == 5
        assert len(failed_calls(done.asked[1].body)) == 2
        assert done.files["made.txt"] == b"made\n"

    calls = [
        Call("Read", {"file_path": f"{play.work}/a.txt"}),
        Call("Read", {"file_path": f"{play.work}/none.txt"}),
        Call("Read", {"file_path": f"{play.work}/b.txt"}),
        Call("Bash", {"command": "echo wrong >&2; exit 3", "description": "Fail"}),
        Call("Bash", {"command": "echo made > made.txt", "description": "Make"}),
    ]
    script = steps(
        Turn([Think("All at once."), Say("I look."), *calls], chunk=11),
        Turn([Say("Two of five failed.")]),
    )
    play(script, asking(play.program, "Try."), check, {"a.txt": b"a\n", "b.txt": b"b\n"})


def test_two_subagents_at_once(play: Play) -> None:
    with_subagents(play, ["alpha", "beta"], {"run_in_background": False}, Pace())


def test_a_subagent_in_the_background(play: Play) -> None:
    """As most are: the turn ends without it, and what it has found begins another."""
    with_subagents(play, ["alpha"], {}, Pace(first=3.0))


def with_subagents(play: Play, names: list[str], more: dict[str, Any], pace: Pace) -> None:
    """Each writes a file with its name; `pace` is that of their first answers."""

    def script(body: Body) -> Turn | None:
        if "Agent" in offered(body):
            return main(body)
        return subagent(next(name for name in names if says(body, f"You are {name}.")))(body)

    def subagent(name: str) -> Script:
        write = Call("Bash", {"command": f"echo {name} > {name}.txt", "description": "Write"})
        return steps(
            Turn([Think("I write."), write], pace=pace), Turn([Say(f"{name} is done")], chunk=9)
        )

    def main(body: Body) -> Turn:
        if not results(body):
            return Turn([Say("I send them."), *map(agent, names)], sizes=ODD)
        is_done = all(says(body, f"{name} is done") for name in names)
        return Turn([Say("All are done." if is_done else "I wait.")])

    def agent(name: str) -> Call:
        task = {"description": f"Run {name}", "prompt": f"You are {name}."}
        return Call("Agent", {**task, "subagent_type": "Explore", **more})

    def check(done: Done) -> None:
        ended_well(done, "All are done.")
        assert done.files == {f"{name}.txt": f"{name}\n".encode() for name in names}

    play(script, asking(play.program, "Agents, please."), check)


def test_a_long_task_takes_hardly_longer_than_straight(play: Play) -> None:
    """Twenty calls, and a sub-agent amid them, by a model that takes its time."""
    pace = Pace(first=0.3, rate=50.0)
    count, at_the_agent = 20, 8
    seconds: list[float] = []

    def script(body: Body) -> Turn | None:
        if "Agent" not in offered(body):
            write = Call("Bash", {"command": "echo sub > sub.txt", "description": "Write"})
            return steps(Turn([write], pace=pace), Turn([Say("It is there.")], pace=pace))(body)
        return steps(*map(step, range(count)), Turn([Say("All done.")], pace=pace))(body)

    def step(number: int) -> Turn:
        words = Say(f"This is step {number} of many, and here is what I think of it. " * 2)
        task = {"description": "Run", "prompt": "You are it.", "subagent_type": "Explore"}
        call = Call("Bash", {"command": f"echo {number} >> all.txt", "description": "Add"})
        if number == at_the_agent:
            call = Call("Agent", {**task, "run_in_background": False})
        return Turn([words, call], pace=pace)

    def check(done: Done) -> None:
        ended_well(done, "All done.")
        assert len(done.files["all.txt"].splitlines()) == count - 1
        assert done.files["sub.txt"] == b"sub\n"

    def timed(place: Place) -> Ended:
        begin = time.monotonic()
        ended = asking(play.program, "Do it, step by step.")(place)
        seconds.append(time.monotonic() - begin)
        return ended

    play(script, timed, check)
    if len(seconds) > 1:
        straight, through = seconds
        (play.folder / "seconds").write_text(f"straight {straight:.2f}, through {through:.2f}\n")
        # 1.1 on a machine that does nothing else: tests/agents/README.md has the figures.
        assert through <= 1.25 * straight


def test_compact(play: Play) -> None:
    def drive(place: Place) -> Ended:
        with session(play.program, place) as opened:
            opened.ask("Read it.")
            opened.ask("/compact")
            opened.ask("What was it?")
            return opened.close()

    def script(body: Body) -> Turn | None:
        if says(body, "Your task is to create a detailed summary"):
            return Turn([Say("<summary>It was a list.</summary>")])
        if says(body, "It was a list."):
            return Turn([Say("A list, I think.")])
        return steps(
            Turn([Call("Read", {"file_path": f"{play.work}/a.txt"})]), Turn([Say("Read.")])
        )(body)

    def check(done: Done) -> None:
        ended_well(done, "A list, I think.")

    play(script, drive, check, {"a.txt": b"a\n"})


def test_automatic_compaction(play: Play) -> None:
    nearly_full = {"cache_read_input_tokens": 985_000}

    def script(body: Body) -> Turn | None:
        if says(body, "Your task is to create a detailed summary"):
            return Turn([Say("<summary>It was a list.</summary>")])
        if says(body, "It was a list."):
            return Turn([Say("Read, and more.")])
        read = Turn([Call("Read", {"file_path": f"{play.work}/a.txt"})], usage=nearly_full)
        return steps(read, Turn([Say("Not compacted.")]))(body)

    def check(done: Done) -> None:
        ended_well(done, "Read, and more.")

    drive = asking(play.program, "Read it.")
    play(script, drive, check, {"a.txt": b"a\n"})


def test_mcp_tools_found_by_search(play: Play) -> None:
    server = {"command": "python3", "args": [str(ROOT / "tests" / "agents" / "mcp_server.py")]}
    config = orjson.dumps({"mcpServers": {"ours": server}}).decode()
    script = steps(
        Turn([Call("ToolSearch", {"query": "select:mcp__ours__add,mcp__ours__greet"})]),
        Turn(
            [
                Call("mcp__ours__add", {"a": 40, "b": 2}),
                Call("mcp__ours__greet", {"name": "Ann"}),
            ]
        ),
        Turn([Say("42, and good day.")]),
    )

    def check(done: Done) -> None:
        ended_well(done, "42, and good day.")
        assert says(done.asked[-1].body, "Good day, Ann.")
        assert not failed_calls(done.asked[-1].body)

    play(script, asking(play.program, "Add.", "--mcp-config", config), check)


def test_web_search(play: Play) -> None:
    page = {
        "type": "web_search_result",
        "url": "https://example.com/a",
        "title": "A",
        "encrypted_content": "ZW5j",
        "page_age": None,
    }
    citation = {
        "type": "web_search_result_location",
        "url": "https://example.com/a",
        "title": "A",
        "encrypted_index": "aW5k",
        "cited_text": "It is so.",
    }
    call = {"id": "srvtoolu_1", "name": "web_search", "input": {"query": "is it so?"}}
    found = {"tool_use_id": "srvtoolu_1", "content": [page]}
    search = Turn(
        [
            Given({"type": "server_tool_use", **call}),
            Given({"type": "web_search_tool_result", **found}),
            Say("It is so.", citations=[citation]),
        ],
        usage={"server_tool_use": {"web_search_requests": 1}},
        sizes=ODD,
    )
    main = steps(
        Turn([Call("ToolSearch", {"query": "select:WebSearch"})]),
        Turn([Call("WebSearch", {"query": "is it so?"})]),
        Turn([Say("Yes.")]),
    )

    def script(body: Body) -> Turn | None:
        return search if "web_search" in offered(body) else main(body)

    def check(done: Done) -> None:
        ended_well(done, "Yes.")
        assert says(done.asked[-1].body, "https://example.com/a")
        assert not failed_calls(done.asked[-1].body)

    play(script, asking(play.program, "Search."), check)


def test_an_image_and_a_pdf(play: Play) -> None:
    def check(done: Done) -> None:
        ended_well(done, "A dot, and a page.")
        assert not failed_calls(done.asked[-1].body)
        assert says(done.asked[-1].body, '"type":"image"')
        assert says(done.asked[-1].body, '"type":"document"')

    script = steps(
        Turn([Call("Read", {"file_path": f"{play.work}/dot.png"})]),
        Turn([Call("Read", {"file_path": f"{play.work}/page.pdf"})]),
        Turn([Say("A dot, and a page.")]),
    )
    play(script, asking(play.program, "Look."), check, {"dot.png": png(), "page.pdf": pdf()})


def test_structured_output(play: Play) -> None:
    fields = {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}}
    schema = {"type": "object", "properties": fields, "required": ["name", "age"]}

    def script(body: Body) -> Turn:
        if results(body):
            return Turn([Say("There.")])
        return Turn([Call("StructuredOutput", {"name": "Ann", "age": 42})])

    def check(done: Done) -> None:
        assert result(done.ended)["structured_output"] == {"name": "Ann", "age": 42}

    drive = asking(play.program, "Who?", "--json-schema", orjson.dumps(schema).decode())
    play(script, drive, check)


def test_an_interrupted_turn_and_the_next(play: Play) -> None:
    def drive(place: Place) -> Ended:
        with session(play.program, place, "--include-partial-messages") as opened:
            opened.send("Count.")
            opened.wait_for_words()
            opened.interrupt()
            opened.wait_for("result")
            opened.ask("Now the other thing.")
            return opened.close()

    def script(body: Body) -> Turn:
        return (
            Turn([Say("The other thing.")]) if says(body, "Now the other thing.") else begun("Hm:")
        )

    def check(done: Done) -> None:
        ended_well(done, "The other thing.")
        assert len(done.asked) == 2

    play(script, drive, check)


def test_an_interrupted_tool_and_the_next(play: Play) -> None:
    def drive(place: Place) -> Ended:
        with session(play.program, place) as opened:
            opened.send("Begin.")
            place.wait_for_file("begun")
            opened.interrupt()
            opened.wait_for("result")
            opened.ask("Now the other thing.")
            return opened.close()

    command = "touch begun && tail --follow /dev/null"
    endless = Turn([Call("Bash", {"command": command, "description": "Begin"})])

    def script(body: Body) -> Turn | None:
        return Turn([Say("The other thing.")]) if says(body, "Now the other thing.") else endless

    def check(done: Done) -> None:
        ended_well(done, "The other thing.")
        assert len(done.asked) == 2

    play(script, drive, check)


def test_resume(play: Play) -> None:
    identity = "11111111-1111-4111-8111-111111111111"

    def drive(place: Place) -> Ended:
        asking(play.program, "Read it.", "--session-id", identity)(place)
        return asking(play.program, "And now?", "--resume", identity)(place)

    script = steps(
        Turn([Think("I read."), Call("Read", {"file_path": f"{play.work}/a.txt"})]),
        Turn([Think("I have read."), Say("Read.")]),
        Turn([Say("As before.")]),
    )

    def check(done: Done) -> None:
        ended_well(done, "As before.")
        assert says(done.asked[-1].body, "I have read.")

    play(script, drive, check, {"a.txt": b"a\n"})


def test_twenty_turns(play: Play) -> None:
    def drive(place: Place) -> Ended:
        with session(play.program, place) as opened:
            for turn in range(20):
                opened.ask(f"Turn {turn}.")
            return opened.close()

    def script(body: Body) -> Turn:
        answers = sum(message["role"] == "assistant" for message in body["messages"])
        return Turn([Think(f"Thought {answers}."), Say(f"Answer {answers}.")])

    def check(done: Done) -> None:
        ended_well(done, "Answer 19.")
        assert says(done.asked[-1].body, "Thought 18.")

    play(script, drive, check)


MODELS = {
    "opus": "claude-opus-5-5",
    "sonnet": "claude-sonnet-5-5",
    "haiku": "claude-haiku-5-5",
    "fable": "claude-fable-5-2",
    "opus[1m]": "claude-opus-5-5",
    "sonnet[1m]": "claude-sonnet-5-5",
    "claude-opus-4-8": "claude-opus-4-8",
    "claude-sonnet-4-5": "claude-sonnet-4-5",
    "claude-haiku-4-5": "claude-haiku-4-5",
}


@pytest.mark.parametrize("model", MODELS)
def test_model(play: Play, model: str) -> None:
    """A call and its result, with thoughts, by each model that is offered."""
    answers(play, "--model", model)


def test_as_it_is_connected(play: Play) -> None:
    """The model of the variable that `trioproxy connect claude` prints."""

    def check(done: Done) -> None:
        ended_well(done, "Read.")
        assert done.asked[-1].body["model"] == "claude-sonnet-4-5"

    drive = asking(play.program, "Read it.", model="claude-sonnet-4-5")
    play(steps(Turn([Say("Read.")])), drive, check)


@pytest.mark.parametrize("effort", ["low", "max"])
def test_effort(play: Play, effort: str) -> None:
    answers(play, "--effort", effort)


@pytest.mark.parametrize("model", ["haiku", "opus", "claude-sonnet-4-5"])
def test_without_thinking(play: Play, model: str) -> None:
    answers(play, "--model", model, "--settings", '{"alwaysThinkingEnabled": false}')


def answers(play: Play, *arguments: str) -> None:
    def check(done: Done) -> None:
        ended_well(done, "Read.")

    script = steps(
        Turn([Think("I read."), Call("Read", {"file_path": f"{play.work}/a.txt"})]),
        Turn([Say("Read.")]),
    )
    play(script, asking(play.program, "Read it.", *arguments), check, {"a.txt": b"a\n"})


def test_a_refusal_of_the_model(play: Play) -> None:
    def drive(place: Place) -> Ended:
        with session(play.program, place) as opened:
            opened.ask("Do it.")
            opened.ask("Something else, then.")
            return opened.close()

    def script(body: Body) -> Turn:
        if says(body, "Something else, then."):
            return Turn([Say("Gladly.")])
        return refusal([Say("I cannot")], explanation="It is not right.", category="cyber")

    def check(done: Done) -> None:
        ended_well(done, "Gladly.")

    play(script, drive, check)


def test_a_prompt_that_is_too_long(play: Play) -> None:
    """The API says so; the program compacts, and goes on."""
    too_long = ApiError(400, "prompt is too long: 1000017 tokens > 1000000 maximum")

    def script(body: Body) -> Turn:
        if says(body, "Your task is to create a detailed summary"):
            return Turn([Say("<summary>It was a list.</summary>")])
        if says(body, "It was a list."):
            return Turn([Say("Read, and more.")])
        if results(body):
            return Turn(error=too_long)
        return Turn([Call("Read", {"file_path": f"{play.work}/a.txt"})])

    def check(done: Done) -> None:
        ended_well(done, "Read, and more.")

    drive = asking(play.program, "Read it.")
    play(script, drive, check, {"a.txt": b"a\n"}, said_by_the_api="prompt is too long")
