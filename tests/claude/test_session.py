from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from attrs import evolve, frozen

from tests.claude.lines import rejected
from trioproxy.claude.session import Session
from trioproxy.claude.turn import Message, Turn
from trioproxy.claude.wire import Line


def sent(text: str) -> Message:
    return Message("user", ({"type": "text", "text": text},))


TURN = Turn(model="model-a", max_tokens=100, messages=(sent("hi"),), system="be brief")


def begun(session: Session, turn: Turn) -> list[Line]:
    """The lines that the first write of a turn has."""
    return [orjson.loads(line) for line in session.begin(turn).begin().splitlines()]


def controls(session: Session, turn: Turn) -> list[dict[str, Any]]:
    """What a turn asks of the process itself, before its message."""
    *asked, message = begun(session, turn)
    assert message["type"] == "user"
    assert {line["type"] for line in asked} <= {"control_request"}
    return [line["request"] for line in asked]


def applied(model: str, max_tokens: int, *, cache: str = "", **body: object) -> dict[str, Any]:
    env = {
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": f"{max_tokens}",
        "CLAUDE_CODE_EXTRA_BODY": orjson.dumps({"max_tokens": max_tokens, **body}).decode(),
        "DISABLE_PROMPT_CACHING": "" if cache else "1",
        "CLAUDE_CODE_PROMPT_CACHE_TTL": cache,
    }
    return {"subtype": "apply_flag_settings", "settings": {"model": model, "env": env}}


def test_the_first_turn_binds_and_sets_everything() -> None:
    assert controls(Session(), TURN) == [
        {"subtype": "initialize", "systemPrompt": "be brief"},
        {"subtype": "set_max_thinking_tokens", "max_thinking_tokens": 0},
        applied("model-a", 100),
    ]


def test_no_system_prompt_is_an_empty_one_and_not_the_clis_own() -> None:
    first, *_ = controls(Session(), evolve(TURN, system=""))
    assert first == {"subtype": "initialize", "systemPrompt": ""}


@frozen
class Next:
    """A later turn on the same process, and what it asks of it."""

    name: str
    turn: Turn
    expected: list[dict[str, Any]]


THINKS = {"subtype": "set_max_thinking_tokens", "max_thinking_tokens": 1024}
THINKS_NOT = {"subtype": "set_max_thinking_tokens", "max_thinking_tokens": 0}

NEXT = [
    Next("the same", TURN, []),
    Next("another message", evolve(TURN, messages=(sent("bye"),)), []),
    Next("another max_tokens", evolve(TURN, max_tokens=101), [applied("model-a", 101)]),
    Next("another model", evolve(TURN, model="model-b"), [applied("model-b", 100)]),
    Next(
        "a parameter",
        evolve(TURN, parameters={"temperature": 0.5, "top_p": 1}),
        [applied("model-a", 100, temperature=0.5, top_p=1)],
    ),
    Next(
        "beta features, once each",
        evolve(TURN, betas=("b", "own", "a")),
        [applied("model-a", 100, betas=["own", "b", "a"])],
    ),
    Next("a breakpoint", evolve(TURN, system_cache="1h"), [applied("model-a", 100, cache="1h")]),
    Next(
        "top_p alone, beside which the CLI would send a temperature",
        evolve(TURN, parameters={"top_p": 0.5}),
        [THINKS, applied("model-a", 100, top_p=0.5, thinking={"type": "disabled"})],
    ),
    Next(
        "top_p alone, with thinking of its own",
        evolve(TURN, parameters={"top_p": 1, "thinking": {"type": "adaptive"}}),
        [THINKS, applied("model-a", 100, top_p=1, thinking={"type": "adaptive"})],
    ),
]


@pytest.mark.parametrize("later", NEXT, ids=lambda case: case.name)
def test_a_later_turn_sets_only_what_differs_from_the_last_one(later: Next) -> None:
    session = Session(("own",))
    controls(session, TURN)
    assert controls(session, later.turn) == later.expected
    assert controls(session, later.turn) == []


@pytest.mark.parametrize("other", NEXT[2:], ids=lambda case: case.name)
def test_nothing_of_a_turn_is_left_for_the_next(other: Next) -> None:
    session = Session(("own",))
    controls(session, other.turn)
    back = [THINKS_NOT] if THINKS in other.expected else []
    assert controls(session, TURN) == [*back, applied("model-a", 100)]


def test_settings_are_compared_with_the_last_turns_and_not_with_the_firsts() -> None:
    session = Session()
    controls(session, TURN)
    controls(session, evolve(TURN, max_tokens=5))
    assert controls(session, TURN) == [applied("model-a", 100)]


def test_a_session_is_bound_from_its_first_turn_on() -> None:
    session = Session()
    assert session.bound is None
    session.begin(TURN)
    assert session.bound == "be brief"


def test_a_session_without_a_system_prompt_is_bound_too() -> None:
    session = Session()
    session.begin(evolve(TURN, system=""))
    assert session.bound == ""


@pytest.mark.parametrize("first", ["be brief", ""])
def test_another_system_prompt_is_never_let_in(first: str) -> None:
    session = Session()
    session.begin(evolve(TURN, system=first))
    with pytest.raises(AssertionError, match="another process"):
        session.begin(evolve(TURN, system="be long"))
    assert session.bound == first


def test_each_thing_that_was_asked_must_be_granted() -> None:
    asked = [line["request_id"] for line in begun(Session(), TURN)[:-1]]
    for request_id in asked:
        exchange = Session().begin(TURN)
        exchange.begin()
        exchange.receive([rejected(request_id)])
        assert exchange.is_over
        assert not exchange.is_clean


def test_sessions_know_nothing_of_each_other() -> None:
    subject, other = Session(), Session()
    asked = controls(subject, TURN)
    assert other.bound is None
    assert controls(other, TURN) == asked


def test_no_id_is_used_twice_in_a_session() -> None:
    session = Session()
    lines = [
        *begun(session, TURN),
        orjson.loads(session.ping().begin()),
        *begun(session, evolve(TURN, max_tokens=5)),
        orjson.loads(session.ping().begin()),
    ]
    ids = [line.get("request_id", line.get("uuid")) for line in lines]
    assert len(set(ids)) == len(ids) == 8


def test_uuids_come_from_where_the_session_was_told() -> None:
    uuids: Iterator[str] = iter(["uuid-1", "uuid-2"])
    session = Session(new_uuid=lambda: next(uuids))
    assert [begun(session, TURN)[-1]["uuid"] for _ in range(2)] == ["uuid-1", "uuid-2"]


# -- The ping ---------------------------------------------------------------------------------


def answer(request_id: str) -> Line:
    response = {"subtype": "success", "request_id": request_id, "response": {"mcpServers": []}}
    return {"type": "control_response", "response": response}


def test_a_ping_asks_for_what_a_booted_process_answers_at_once() -> None:
    ping = Session().ping()
    assert ping.begin() == (
        b'{"type":"control_request","request_id":"trioproxy-1",'
        b'"request":{"subtype":"mcp_status"}}\n'
    )


def test_a_ping_is_answered_by_the_answer_to_it_and_by_nothing_else() -> None:
    ping = Session().ping()
    ping.receive([])
    ping.receive([{"type": "system", "subtype": "init"}, {"type": "result"}])
    ping.receive([answer("trioproxy-2"), answer("")])
    ping.receive([{"type": "other", "response": {"request_id": "trioproxy-1"}}])
    assert not ping.is_answered
    ping.receive([{"type": "system"}, answer("trioproxy-1"), {"type": "system"}])
    assert ping.is_answered


@frozen
class Misshapen:
    name: str
    line: Line


MISSHAPEN = [
    Misshapen("no response", {"type": "control_response"}),
    Misshapen("a null response", {"type": "control_response", "response": None}),
    Misshapen("a list", {"type": "control_response", "response": []}),
    Misshapen("no id", {"type": "control_response", "response": {"subtype": "success"}}),
]


@pytest.mark.parametrize("misshapen", MISSHAPEN, ids=lambda case: case.name)
def test_a_line_of_an_unknown_shape_does_not_answer_a_ping(misshapen: Misshapen) -> None:
    ping = Session().ping()
    ping.receive([misshapen.line])
    assert not ping.is_answered
