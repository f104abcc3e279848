"""A process in which a conversation stands asks the API what one asks that has it all written."""

import logging
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import anthropic
import pytest
from attrs import evolve, frozen

from tests.messages import assistant, image, result, text, use, user
from tests.real.one_process import OneProcess, one_process, turn
from tests.real.servers import MODEL, ONE, Running, running
from tests.real.test_any_prompt import comparable
from tests.sizing import Sized
from trioproxy.claude.turn import Turn
from trioproxy.settings import AuthSettings, PoolSettings

pytestmark = pytest.mark.real

TOOL = {"name": "get_weather", "input_schema": {"type": "object"}}
NEW = "claude-opus-5-5"
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}


@frozen
class Pair:
    """Two processes at one place: one that keeps conversations, and one that does not."""

    kept: OneProcess
    whole: OneProcess

    def asks_the_same(self, asked: Turn) -> int:
        """Whether both ask the API the same; how many messages stood already."""
        kept, whole = self.kept.arrives(asked), self.whole.arrives(asked)
        assert comparable(kept) == comparable(whole)
        return kept.standing


@pytest.fixture(scope="module", params=[False, True], ids=["key", "login"])
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    has_login: bool = request.param
    folder = tmp_path_factory.mktemp("pair")
    work, kept_home, whole_home = (folder / name for name in ("work", "kept", "whole"))
    for each in (work, kept_home, whole_home):
        each.mkdir()
    with (
        one_process(kept_home, takes_any=True, has_login=has_login, keeps=True, cwd=work) as kept,
        one_process(whole_home, takes_any=True, has_login=has_login, cwd=work) as whole,
    ):
        yield Pair(kept, whole)


def chat(count: int, name: str = "") -> list[dict[str, Any]]:
    """So many questions, all but the last answered."""
    messages = []
    for number in range(count):
        messages.append(user(f"question {name}{number}"))
        messages.append(assistant(f"answer {name}{number}"))
    return messages[:-1]


def test_each_turn_of_a_chat_finds_what_stood_before_the_last_question(pair: Pair) -> None:
    stood = [pair.asks_the_same(turn(*chat(count, "a"))) for count in range(1, 9)]
    assert stood == [0, 0, 2, 4, 6, 8, 10, 12]


THROUGHOUT: dict[str, dict[str, Any]] = {
    "cached": {"system_cache": "5m"},
    "cached for an hour": {"system_cache": "1h"},
    "a new model": {"model": NEW},
    "an effort": {"model": NEW, "parameters": {"output_config": {"effort": "low"}}},
    "thinking": {"parameters": {"thinking": {"type": "enabled", "budget_tokens": 1024}}},
    "adaptive": {"model": NEW, "parameters": {"thinking": {"type": "adaptive"}}},
    "betas": {"betas": ("files-api-2025-04-14",)},
    "long context": {"model": "claude-sonnet-4-5[1m]"},
    "unlisted": {"model": "claude-3-7-sonnet-20250219"},
    "no prompt": {"system": ""},
    "a schema": {
        "model": NEW,
        "parameters": {"output_config": {"format": {"type": "json_schema", "schema": TOOL}}},
    },
}


@pytest.mark.parametrize("name", THROUGHOUT)
def test_a_chat_with_the_same_settings_throughout(pair: Pair, name: str) -> None:
    stood = [
        pair.asks_the_same(turn(*chat(count, name), **THROUGHOUT[name])) for count in (1, 3, 4, 5)
    ]
    assert stood == [0, 0, 4, 6]
    other = [*chat(5, name)[:4], user("something else")]
    assert pair.asks_the_same(turn(*other, **THROUGHOUT[name])) == 4


def test_the_same_request_again(pair: Pair) -> None:
    for stands in (0, 4, 4):
        assert pair.asks_the_same(turn(*chat(3, "again"))) == stands


def test_a_branch_goes_back_to_where_it_parts(pair: Pair) -> None:
    messages = chat(5, "b")
    pair.asks_the_same(turn(*messages))
    other = [*messages[:4], user("something else"), assistant("yes"), user("and?")]
    assert pair.asks_the_same(turn(*other)) == 4
    assert pair.asks_the_same(turn(*other, assistant("so"), user("more"))) == 6
    assert pair.asks_the_same(turn(*messages)) == 4
    assert pair.asks_the_same(turn(*chat(2, "of its own"))) == 0


def test_an_answer_that_was_edited(pair: Pair) -> None:
    messages = chat(4, "e")
    pair.asks_the_same(turn(*messages))
    edited = [*messages[:3], assistant("edited"), *messages[4:]]
    assert pair.asks_the_same(turn(*edited)) == 2


def test_calls_are_never_parted_from_their_results(pair: Pair) -> None:
    begin = [*chat(3, "t")]
    steps = [assistant(use("t1"), use("t2")), user(result("t1"), result("t2"))]
    more = [assistant(use("t3")), user(result("t3"), "and this")]
    tools = {"parameters": {"tools": [TOOL]}}
    assert pair.asks_the_same(turn(*begin, **tools)) == 0
    assert pair.asks_the_same(turn(*begin, *steps, **tools)) == 4
    assert pair.asks_the_same(turn(*begin, *steps, *more, **tools)) == 4
    after = [*begin, *steps, *more, assistant("done"), user("thanks")]
    assert pair.asks_the_same(turn(*after, **tools)) == 4
    assert pair.asks_the_same(turn(*after, assistant("bye"), user("so"), **tools)) == 10


def test_images_and_thoughts_stand(pair: Pair) -> None:
    messages = [user(image(), "?"), assistant(THOUGHT, text("a bird")), user("which?")]
    fields = {"parameters": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}
    pair.asks_the_same(turn(*messages, **fields))
    longer = [*messages, assistant(THOUGHT, text("an owl")), user("sure?")]
    assert pair.asks_the_same(turn(*longer, **fields)) == 2
    assert pair.asks_the_same(turn(*longer, assistant("yes"), user("so"), **fields)) == 4


CHANGES: dict[str, tuple[dict[str, Any], bool]] = {
    "temperature": ({"parameters": {"temperature": 0.3}}, True),
    "top_p": ({"parameters": {"top_p": 0.3}}, True),
    "top_k": ({"parameters": {"top_k": 3}}, True),
    "stop_sequences": ({"parameters": {"stop_sequences": ["x"]}}, True),
    "metadata": ({"parameters": {"metadata": {"user_id": "u"}}}, True),
    "tools": ({"parameters": {"tools": [TOOL], "tool_choice": {"type": "any"}}}, True),
    "max_tokens": ({"max_tokens": 77}, True),
    "thinking": (
        {"parameters": {"thinking": {"type": "enabled", "budget_tokens": 1024}}},
        False,
    ),
    "betas": ({"betas": ("files-api-2025-04-14",)}, False),
    "system_cache": ({"system_cache": "5m"}, False),
    "system": ({"system": "Another."}, False),
    "caller": ({"caller": "another"}, False),
    "model": ({"model": "claude-sonnet-4-5"}, False),
    "effort": ({"model": NEW, "parameters": {"output_config": {"effort": "low"}}}, False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_between_two_turns(pair: Pair, name: str) -> None:
    """There and back: what leaves no trace goes on, the rest is written anew."""
    fields, goes_on = CHANGES[name]
    base = {"model": NEW} if name == "effort" else {}
    pair.asks_the_same(turn(*chat(3, name), **base))
    stood = pair.asks_the_same(turn(*chat(4, name), **{**base, **fields}))
    assert stood == (4 if goes_on else 0)
    stood = pair.asks_the_same(turn(*chat(5, name), **base))
    assert stood == (6 if goes_on else 0)


def test_marks_that_move_are_where_they_were_set(pair: Pair) -> None:
    for count in range(2, 7):
        messages = chat(count, "m")
        for at in (-1, -3):
            marked = {"cache_control": {"type": "ephemeral"}}
            messages[at] = user(text(messages[at]["content"][0]["text"], **marked))
        pair.asks_the_same(turn(*messages))


@pytest.mark.parametrize(
    "words",
    ["[[standin error=429 message=slowly]]", "[[standin error=400]]", "[[standin refusal]]"],
)
def test_a_turn_that_fails_leaves_what_stood(pair: Pair, words: str) -> None:
    messages = chat(3, words[10:17])
    pair.asks_the_same(turn(*messages))
    pair.asks_the_same(turn(*messages, assistant("a"), user(words)))
    assert pair.asks_the_same(turn(*messages, assistant("a"), user("better"))) == 6


def more(dice: Random) -> list[dict[str, Any]]:
    """What may come next: the answer to the last question, and another question."""
    number = dice.getrandbits(30)
    calls = [assistant(text("I look."), use(f"a{number}"), use(f"b{number}"))]
    found: list[list[dict[str, Any]]] = [
        [assistant(f"answer {number}"), user(f"question {number}")],
        [*calls, user(result(f"a{number}"), result(f"b{number}"))],
        [*calls, user(result(f"a{number}"), result(f"b{number}"), f"and {number}")],
        [assistant(THOUGHT, text(f"answer {number}")), user(f"question {number}")],
        [assistant(f"answer {number}"), user(image(), f"see {number}")],
        [assistant(f"answer {number}"), user(f"{number} [[standin words=40]]")],
        [assistant(f"answer {number}"), user(f"{number} [[standin error=529]]")],
        [assistant(f"answer {number}"), user(f"{number} [[standin refusal]]")],
    ]
    return dice.choice(found)


def test_conversations_at_random(pair: Pair, sized: Sized) -> None:
    """Four that go on, are cut back, edited in the midst, asked again, and answered in part."""
    dice = Random(17)
    known = [chat(2, f"r{number}") for number in range(4)]
    for _ in range(sized(40, 600)):
        messages = known[at := dice.randrange(len(known))]
        match dice.randrange(8):
            case 0:
                messages = messages[: dice.randrange(0, len(messages), 2) + 1]
            case 1:
                messages = [*messages[:-1], user(f"other {dice.random()}")]
            case 2:
                pass  # the same once more
            case 3 if len(messages) > 3:
                middle = dice.randrange(1, len(messages) - 1, 2)
                edited = assistant(f"edited {dice.random()}")
                is_call = "tool_use" in str(messages[middle])
                messages = [*messages[:middle], edited, *messages[middle + 1 :]]
                messages = messages[: middle + 1] if is_call else messages
                messages = [*messages, user("so")] if is_call else messages
            case _:
                messages = [*messages, *more(dice)]
        known[at] = messages if len(messages) < 24 else chat(2, f"new {dice.random()}")
        fewest = dice.choice([5, 2000, 2000])  # tokens: the answer may be cut
        asked = turn(*messages, parameters={"tools": [TOOL]}, max_tokens=fewest)
        pair.asks_the_same(asked)


# -- A whole server ------------------------------------------------------------------------------


async def ask(server: Running, messages: list[Any], **fields: Any) -> None:
    body = {"model": MODEL, "max_tokens": 500, "messages": messages, **fields}
    answer = await server.client.post("/v1/messages", body=body, cast_to=anthropic.types.Message)
    assert answer.stop_reason == "end_turn"
    await server.settled()


async def test_a_server_goes_on_with_chats(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "trioproxy")
    two = PoolSettings(min_size=2, max_size=2)
    async with running(tmp_path, two) as server:
        for count in range(1, 6):
            await ask(server, chat(count, "x"), system="Chat.")
            await ask(server, [user(f"a title for {count}")], system="You name chats.")
        stats = await server.settled()
        asked = server.asked()
    assert (stats.messages_kept, stats.messages_replayed) == (12, 8)
    assert sorted(worker.messages for worker in stats.workers) == [0, 8]
    chats = [body for body in asked if body["system"][-1]["text"] == "Chat."]
    assert [len(body["messages"]) for body in chats] == [1, 3, 5, 7, 9]
    lines = [record.getMessage() for record in caplog.records if "kept=" in record.getMessage()]
    assert [line.split("kept=")[1].split()[0] for line in lines] == ["2", "4", "6"]


async def test_two_tokens_share_no_conversation(tmp_path: Path) -> None:
    tokens = AuthSettings(tokens={"one": "first-token-of-this-test", "two": "other-token-of-it"})
    async with running(tmp_path, ONE, auth=tokens) as server:
        for token in ("first-token-of-this-test", "other-token-of-it") * 2:
            body = {"model": MODEL, "max_tokens": 500, "messages": chat(4, "same")}
            answer = await server.client.with_options(api_key=token).post(
                "/v1/messages", body=body, cast_to=anthropic.types.Message
            )
            assert answer.stop_reason == "end_turn"
            await server.settled()
        asked, stats = server.asked(), server.stats
    assert (stats.messages_kept, stats.messages_replayed) == (0, 24)
    assert all(each["messages"] == asked[0]["messages"] for each in asked)


async def test_nothing_stands_where_it_is_off(tmp_path: Path) -> None:
    off = evolve(ONE, keep_conversations=False)
    async with running(tmp_path, off) as server:
        for count in (3, 4):
            await ask(server, chat(count))
        stats = await server.settled()
    assert (stats.messages_kept, stats.messages_replayed) == (0, 10)
