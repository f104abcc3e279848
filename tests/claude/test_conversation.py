"""What of a conversation may stand for another turn, by hashes alone."""

from typing import Any

import pytest
from attrs import evolve

from trioproxy.claude.command import Options
from trioproxy.claude.conversation import Asked, Conversation, Standing, hash_of, last_plain
from trioproxy.claude.session import Session
from trioproxy.claude.turn import Message, Turn
from trioproxy.settings import PoolSettings
from trioproxy.validation import keeps_conversations


def message(text: str) -> Message:
    """`u...` is the user's, `a...` the assistant's, `r...` the user's result of a call."""
    block: dict[str, Any] = {"type": "text", "text": text}
    if text.startswith("r"):
        block = {"type": "tool_result", "tool_use_id": text, "content": "done"}
    return Message("assistant" if text.startswith("a") else "user", (block,))


def turn(words: str, **fields: Any) -> Turn:
    messages = tuple(map(message, words.split()))
    return evolve(Turn("claude-test", 100, messages, "Be brief.", caller="c"), **fields)


def standing(words: str, asked: Asked) -> Conversation:
    found = [Standing.of(each, str(each), hash_of(each)) for each in map(message, words.split())]
    return Conversation(asked.context, tuple(found))


@pytest.mark.parametrize(
    ("stands", "asks", "count"),
    [
        ("u1 a1", "u1 a1 u2", 2),
        ("u1 a1", "u1 a1 u2 a2 u3", 2),
        ("u1 a1 u2 a2", "u1 a1 u2 a2 u3", 4),
        ("u1 a1 u2 a2", "u1 a1 u2", 2),
        ("u1 a1 u2 a2", "u1 a1 u3", 2),
        ("u1 a1 u2 a2", "u1 a1 u2 a3 u3", 2),
        ("u1 a1 u2 a2", "u1 a3 u2 a2 u3", 0),
        ("u1 a1 u2 a2", "u3 a1 u2 a2 u3", 0),
        ("u1 a1 r1 a2 u2 a3", "u1 a1 r1 a2 u2 a3 u4", 6),
        ("u1 a1 r1 a2 u2 a3", "u1 a1 r1 a2 u9", 4),
        ("u1 a1 r1 a2", "u1 a1 r1 a9 u9", 0),
        ("u1 a1 u2 a2 r2 a3", "u1 a1 u2 a2 r9", 2),
        ("u1 a1 u2 a2", "u1", 0),
        ("", "u1 a1 u2", 0),
    ],
)
def test_what_stands_for_a_turn_ends_before_a_plain_message(
    stands: str, asks: str, count: int
) -> None:
    asked = Asked(turn(asks))
    assert standing(stands, asked).common(asked) == count


CHANGES: dict[str, Any] = {
    "caller": {"caller": "d"},
    "system": {"system": "Be long."},
    "system_cache": {"system_cache": "5m"},
    "model": {"model": "claude-other"},
    "betas": {"betas": ("a",)},
    "thinking": {"parameters": {"thinking": {"type": "enabled"}}},
    "effort": {"parameters": {"output_config": {"effort": "low"}}},
    "anything unknown": {"parameters": {"of_a_later_api": 1}},
}


@pytest.mark.parametrize("name", CHANGES)
def test_all_that_a_conversation_hangs_on_has_to_be_the_same(name: str) -> None:
    before, after = Asked(turn("u1 a1 u2")), Asked(turn("u1 a1 u2", **CHANGES[name]))
    assert standing("u1 a1", before).common(before) == 2
    assert standing("u1 a1", before).common(after) == 0


@pytest.mark.parametrize(
    "name",
    ["temperature", "top_p", "top_k", "stop_sequences", "metadata", "tools", "tool_choice"],
)
def test_what_leaves_no_trace_may_change(name: str) -> None:
    asked = Asked(turn("u1 a1 u2", parameters={name: 1}, max_tokens=7))
    assert standing("u1 a1", Asked(turn("u1 a1 u2"))).common(asked) == 2


def test_a_hash_is_of_all_that_is_written() -> None:
    plain = message("u1")
    marked = {**plain.content[0], "cache_control": {"type": "ephemeral"}}
    others = [
        Message("assistant", plain.content),
        Message("user", (marked,)),
        Message("user", (*plain.content, *plain.content)),
    ]
    assert len({hash_of(each) for each in (plain, *others)}) == 4
    assert hash_of(plain) == hash_of(message("u1"))


def test_the_last_plain_message_is_looked_for_from_a_place_on_back() -> None:
    found = [Standing.of(each, "") for each in map(message, ["u1", "a1", "u2", "a2", "r2", "a3"])]
    assert [last_plain(found, at) for at in range(6)] == [0, 0, 2, 2, 2, 2]


def test_a_session_that_keeps_nothing_makes_no_hashes() -> None:
    session = Session()
    exchange = session.begin(turn("u1 a1 u2"))
    assert {each.hash for each in exchange.fresh} == {b""}
    session.ended(exchange)
    assert session.common(Asked(turn("u1 a1 u2"))) == 0


@pytest.mark.parametrize(
    ("settings", "options", "keeps"),
    [
        (PoolSettings(), Options(), True),
        (PoolSettings(binding="fixed"), Options(), True),
        (PoolSettings(keep_conversations=False), Options(), False),
        (PoolSettings(reuse="never"), Options(), False),
        (PoolSettings(enabled=False), Options(), False),
        (PoolSettings(), Options(tools="Read"), False),
        (PoolSettings(), Options(mcp_config="file"), False),
    ],
)
def test_conversations_are_kept_unless_something_speaks_against_it(
    settings: PoolSettings, options: Options, *, keeps: bool
) -> None:
    assert keeps_conversations(settings, options) == keeps
