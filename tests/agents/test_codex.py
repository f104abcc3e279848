"""Tasks of Codex, as its users set them: through this server only, for it speaks OpenAI's API."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import orjson
import pytest

from tests.agents import results as noted
from tests.agents.codex import asking, compacting, messages
from tests.agents.files import png
from tests.agents.install import Program
from tests.agents.player import Check, Done, Drive
from tests.agents.responses import asked, lost
from tests.agents.runner import make_place
from tests.agents.servers import Ways
from trioproxy.standin.bodies import Body, conversation
from trioproxy.standin.script import (
    ODD,
    Call,
    Given,
    Part,
    Say,
    Script,
    Think,
    Turn,
    results,
    steps,
)

Played: TypeAlias = Callable[..., Done]


@pytest.fixture
def play(request: pytest.FixtureRequest, program: Program, ways: Ways, tmp_path: Path) -> Played:
    """Does a task, and holds what the client has said against what reached the API."""
    if not ways.through:
        pytest.skip("Codex speaks OpenAI's API, which the stand-in does not")
    task = request.node.name.removeprefix("test_").replace("_", " ")

    def do(
        script: Script, drive: Drive, check: Check, files: Mapping[str, bytes] | None = None
    ) -> Done:
        before = files or {}
        place = make_place(tmp_path / "place", ways.through, before)
        ways.begin(script)
        ended = drive(place)
        done = Done(ended, place.files(), ways.arrived())
        (tmp_path / "output").write_text(f"{ended.output}\n{ended.errors}")
        exchanges = asked(ways.exchanged())
        differences = lost(exchanges, done.asked)
        written = [name for name, data in done.files.items() if before.get(name) != data]
        row = noted.Row(
            program=program.name,
            version=program.version,
            task=task,
            files=len(written),
            requests=len(exchanges),
            refused=sum(exchange.is_refused for exchange in exchanges),
            noted=sum(exchange.notes != "" for exchange in exchanges),
            differences=len(differences),
        )
        noted.add(row)
        refused = [
            f"{exchange.status}: {exchange.error}" for exchange in exchanges if exchange.is_refused
        ]
        assert not refused, "\n".join(refused)
        check(done)
        assert not differences, "\n".join(differences)
        assert len(exchanges) == len(done.asked)
        return done

    return do


def ended_well(done: Done, text: str) -> None:
    assert done.ended.status == 0, done.ended.errors
    assert messages(done.ended)[-1:] == [text], done.ended.output


def says(body: Body, text: str) -> bool:
    return text in orjson.dumps(body["messages"]).decode()


def shell(command: str) -> Call:
    return Call("exec_command", {"cmd": command})


def patch(*lines: str) -> Call:
    return Call("apply_patch", {"input": "\n".join(("*** Begin Patch", *lines, "*** End Patch"))})


SEARCH = {"id": "srvtoolu_1", "name": "web_search", "input": {"query": "is it so?"}}
PAGE = {"type": "web_search_result", "url": "https://example.com/a", "title": "A"}
CITED = {
    "type": "web_search_result_location",
    "url": "https://example.com/a",
    "title": "A",
    "encrypted_index": "aW5k",
    "cited_text": "It is so.",
}
SEARCHED: list[Part] = [
    Given({"type": "server_tool_use", **SEARCH}),
    Given({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [PAGE]}),
    Say("It is so.", citations=[CITED]),
]


def day(turn: int) -> Turn:
    """One answer of a day's work, in a stream that is cut at odd places."""
    name = f"file{turn}.txt"
    if turn % 5 == 0:  # the answer to a prompt begins with a thought and a new file
        added = patch(f"*** Add File: {name}", f'+Grüße {turn}, \\n "世界" 🌍', "+end")
        return Turn([Think("Look."), Say(f"I make {name}."), added], sizes=ODD, chunk=7)
    if turn % 5 == 1:
        calls = [shell(f"cat file{turn - 1}.txt"), shell("exit 3"), shell(f"echo {turn} > {name}")]
        return Turn([Say("All at once."), *calls], sizes=ODD)
    if turn % 5 == 2:
        before = f"file{turn - 2}.txt"
        changed = patch(f"*** Update File: {before}", "@@", "-end", f"+end of {turn}")
        return Turn([Think("Now the end."), changed], chunk=13)
    if turn % 5 == 3:
        return Turn([*SEARCHED, shell("ls")], sizes=ODD)
    return Turn([Think("Good."), Say(f"Done with {turn}.")], chunk=3)


@pytest.mark.parametrize("time", ["once", "and again"])
def test_twenty_turns(play: Played, program: Program, time: str) -> None:
    def check(done: Done) -> None:
        ended_well(done, "Done with 19.")
        expected = {}
        for turn in range(0, 20, 5):
            text = f'Grüße {turn}, \\n "世界" 🌍\nend of {turn + 2}\n'
            expected[f"file{turn}.txt"] = text.encode()
            expected[f"file{turn + 1}.txt"] = f"{turn + 1}\n".encode()
        assert done.files == expected
        assert len(done.asked) == 20
        assert len(results(done.asked[-1].body)) == 4 * 6
        assert says(done.asked[-1].body, "Process exited with code 3")

    prompts = ["Begin.", "Go on.", "And on.", "To the end."]
    drive = asking(program, *prompts, model="gpt-5.5")
    play(steps(*map(day, range(20))), drive, check)


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-haiku-4-5"])
def test_claudes_models_have_a_shell(play: Played, program: Program, model: str) -> None:
    def check(done: Done) -> None:
        ended_well(done, "Made.")
        assert done.files == {"a.txt": b"a\n"}

    script = steps(
        Turn([Think("I look."), shell("ls"), shell("echo a > a.txt")]), Turn([Say("Made.")])
    )
    play(script, asking(program, "Make it.", model=model), check)


def test_code_mode(play: Played, program: Program) -> None:
    """The newest models of OpenAI write programs that call the tools."""

    def check(done: Done) -> None:
        ended_well(done, "Ran.")
        assert done.files == {"a.txt": b"a\n"}
        assert says(done.asked[-1].body, "it has run")

    code = 'await tools.exec_command({cmd: "echo a > a.txt"}); text("it has " + "run");'
    script = steps(Turn([Call("functions__exec", {"input": code})]), Turn([Say("Ran.")]))
    play(script, asking(program, "Run it.", model="gpt-6.1-sol"), check)


def agent_id(body: Body) -> str:
    found = orjson.loads(results(body)[-1]["content"])
    return str(found["agent_id"])


def with_an_agent(*before: Turn) -> Script:
    def script(body: Body) -> Turn | None:
        if says(body, "You are alpha.") and not says(body, "Two of us."):
            return steps(Turn([shell("echo alpha > alpha.txt")]), Turn([Say("alpha is done")]))(
                body
            )
        return main(body)

    main = steps(
        *before,
        Turn([Call("multi_agent_v1__spawn_agent", {"message": "You are alpha."})]),
        lambda body: Turn([Call("multi_agent_v1__wait_agent", {"targets": [agent_id(body)]})]),
        Turn([Say("Both are done.")]),
    )
    return script


def check_agents(done: Done) -> None:
    ended_well(done, "Both are done.")
    assert done.files == {"alpha.txt": b"alpha\n"}
    assert says(done.asked[-1].body, "alpha is done")


def test_another_agent(play: Played, program: Program) -> None:
    play(with_an_agent(), asking(program, "Two of us."), check_agents)


def test_another_agent_by_tools_that_are_found(play: Played, program: Program) -> None:
    find = Turn([Call("tool_search", {"query": "spawn an agent, and wait for it"})])
    play(with_an_agent(find), asking(program, "Two of us.", model="gpt-5.5"), check_agents)


def test_structured_output_and_an_image(play: Played, program: Program) -> None:
    def check(done: Done) -> None:
        ended_well(done, '{"a":"b"}')
        assert says(done.asked[-1].body, '"type":"image"')
        form = done.asked[-1].body["output_config"]["format"]
        assert form["schema"]["required"] == ["a"]

    script = steps(
        lambda body: Turn([Call("view_image", {"path": "dot.png"})]), Turn([Say('{"a":"b"}')])
    )
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    whole = orjson.dumps({**schema, "additionalProperties": False})
    files = {"dot.png": png(), "schema.json": whole}
    play(
        script, asking(program, "Look.", options=["--output-schema", "schema.json"]), check, files
    )


@pytest.mark.parametrize("effort", ["minimal", "low", "max", "ultra"])
def test_every_effort(play: Played, program: Program, effort: str) -> None:
    def check(done: Done) -> None:
        ended_well(done, "Hello.")
        # Codex itself takes `ultra` for another effort where it does not know the model.
        assert done.asked[-1].body["output_config"]["effort"] in {"low", "medium", "max"}

    config = [f'model_reasoning_effort="{effort}"', 'model_reasoning_summary="detailed"']
    play(steps(Turn([Say("Hello.")])), asking(program, "Hi.", config=config), check)


@pytest.mark.parametrize("provider", ["own", "OpenAI"])
def test_compaction(play: Played, program: Program, provider: str) -> None:
    """With a provider of this name, Codex has the server compact; else it asks for it itself."""

    def script(body: Body) -> Turn | None:
        last = orjson.dumps(conversation(body)[-1]).decode()
        if "CONTEXT CHECKPOINT COMPACTION" in last or "Write a summary of this" in last:
            return Turn([Think("Briefly."), Say("It was a list.")])
        if says(body, "It was a list."):
            return Turn([Say("A list, I think.")])
        return steps(Turn([shell("echo a list")]), Turn([Say("Read.")]))(body)

    def check(done: Done) -> None:
        assert "A list, I think." in done.ended.output
        assert len(done.asked) == 4

    play(script, compacting(program, provider, "Read it.", "What was it?"), check)
