"""Tasks of mini-swe-agent: all that it has is a shell."""

import pytest

from tests.agents import coding
from tests.agents.apis import Api, played
from tests.agents.mini_swe_agent import DONE, asking
from tests.agents.player import Done, Play
from trioproxy.standin.bodies import Body
from trioproxy.standin.script import ODD, Call, Say, Turn, results, steps

both_apis = pytest.mark.parametrize("api", ["messages", "chats"])


def bash(command: str) -> Call:
    return Call("bash", {"command": command})


@both_apis
def test_parallel_and_failed_commands(play: Play, api: Api) -> None:
    def check(done: Done) -> None:
        assert done.ended.status == 0, done.ended.errors
        assert done.files["made.txt"] == b"made\n"
        texts = [str(result["content"]) for result in results(done.asked[-1].body)]
        assert [r"\"returncode\": 0" in text or '"returncode": 0' in text for text in texts] == [
            True,
            False,
        ]
        assert "No such file" in texts[1]

    calls = [bash("echo made > made.txt"), bash("cat none.txt")]
    script = steps(Turn([Say("Both."), *calls], chunk=11), Turn([Say("Done."), bash(DONE)]))
    played(play, api)(script, asking(play.program, api, "Make it."), check, {})


@both_apis
def test_five_turns(play: Play, api: Api) -> None:
    def check(done: Done) -> None:
        assert done.ended.status == 0, done.ended.errors
        assert done.files["copy.txt"].decode() == 'end: Grüße, "世界" 🌍\n'
        assert len(results(coding.longest(done))) == 4

    script = steps(
        Turn([Say("New."), bash("""echo 'begin: Grüße, "世界" 🌍' > made.txt""")], sizes=ODD),
        Turn([Say("What is in it?"), bash("cat made.txt")], chunk=7),
        Turn([Say("The end."), bash("sed -i s/begin/end/ made.txt")], sizes=ODD, chunk=13),
        Turn([Say("A copy."), bash("cp made.txt copy.txt")]),
        Turn([Say("Done."), bash(DONE)]),
    )
    played(play, api)(script, asking(play.program, api, "Make it."), check, {})


@both_apis
def test_a_call_without_a_command(play: Play, api: Api) -> None:
    """It tells the model what was wrong, in the place of its answer, and asks again."""

    def check(done: Done) -> None:
        assert done.ended.status == 0, done.ended.errors
        assert done.files["made.txt"] == b"made\n"
        assert len(done.asked) == 3

    def script(body: Body) -> Turn:
        if results(body):
            return Turn([bash(DONE)])
        is_second = "Arguments: {" in str(body["messages"][-1])
        return Turn([bash("echo made > made.txt") if is_second else Say("I think.")])

    played(play, api)(script, asking(play.program, api, "Make it."), check, {})
