"""What is asked of a process beside its turns."""

from typing import Any

import orjson

from trioproxy.claude import wire
from trioproxy.claude.control import ControlQuery, introduction


def answer(request_id: str, subtype: str = "success", **fields: Any) -> dict[str, Any]:
    response = {"subtype": subtype, "request_id": request_id, **fields}
    return {"type": "control_response", "response": response}


def of_two() -> ControlQuery:
    data = wire.control_request("a", "reload_plugins") + wire.control_request("b", "get_settings")
    return ControlQuery(data, {"a", "b"})


def test_a_query_is_over_when_all_of_it_was_answered() -> None:
    query = of_two()
    assert [orjson.loads(line)["request_id"] for line in query.begin().splitlines()] == ["a", "b"]
    query.receive([answer("b", response={"first": 1})])
    was_answered = query.is_answered
    query.receive([{"type": "system"}, answer("c"), answer("a", response={"last": 1})])
    assert (was_answered, query.is_answered) == (False, True)
    assert (query.answer, query.error) == ({"last": 1}, "")


def test_an_answer_that_comes_twice_counts_once() -> None:
    query = of_two()
    query.receive([answer("a"), answer("a"), answer("a")])
    assert not query.is_answered


def test_the_first_that_fails_is_the_error() -> None:
    query = of_two()
    query.receive([answer("b", "error", error="no"), answer("a", "error", error="neither")])
    assert query.is_answered
    assert query.error == "no"


def test_a_body_that_is_no_object_is_an_empty_one() -> None:
    query = ControlQuery.of("a", "mcp_status")
    query.receive([answer("a", response=[1])])
    assert (query.is_answered, query.answer) == (True, {})


def test_an_introduction_binds_or_does_not() -> None:
    binds, does_not = (
        orjson.loads(introduction(binds=binds).begin())["request"] for binds in (True, False)
    )
    assert binds == {"subtype": "initialize", "systemPrompt": ""}
    assert does_not == {"subtype": "initialize"}
