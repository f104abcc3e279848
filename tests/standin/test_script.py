"""A model that is played answers by its script."""

from typing import Any

import anthropic
import pytest
from anthropic.types import Message

from tests.standin.accumulating import accumulated
from tests.standin.requests import MODEL, asking, streaming
from trioproxy.standin import ApiError, StandIn, events, whole
from trioproxy.standin.bodies import Body
from trioproxy.standin.script import (
    ODD,
    Call,
    Given,
    Say,
    Think,
    Turn,
    offered,
    play,
    refusal,
    results,
    steps,
)

CITATION = {
    "type": "web_search_result_location",
    "url": "https://example.com",
    "title": "A",
    "encrypted_index": "aW5k",
    "cited_text": "c",
}
SEARCH = {
    "type": "server_tool_use",
    "id": "srvtoolu_1",
    "name": "web_search",
    "input": {"query": "Grüße"},
}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}

TURNS = {
    "nothing": Turn(),
    "all": Turn(
        [
            Think("Well, 世界 🌍."),
            Given(SEARCH),
            Given(FOUND),
            Say("It is so.", citations=[CITATION]),
            Call("look", {"path": "Grüße\n\\"}),
            Call("look"),
        ]
    ),
    "refused": refusal([Say("I would")], explanation="Not right.", category="cyber"),
    "stopped": Turn([Say("a b")], stop_reason="pause_turn"),
    "counted": Turn([Say("a")], usage={"cache_read_input_tokens": 190_000}),
}


@pytest.mark.parametrize("sizes", [(), ODD, (1,)], ids=str)
@pytest.mark.parametrize("turn", TURNS)
def test_the_events_add_up_to_the_message(turn: str, sizes: tuple[int, ...]) -> None:
    scripted = TURNS[turn]
    given = Turn(
        scripted.parts,
        stop_reason=scripted.stop_reason,
        stop_details=scripted.stop_details,
        usage=scripted.usage,
        sizes=sizes,
    )
    answer = play(given, asking("hi"), number=1)
    assert accumulated(answer) == Message.model_validate(whole(answer))


def test_deltas_have_the_sizes_that_were_asked_for() -> None:
    turn = Turn([Think("abc def"), Say("12 345 6")], sizes=(1, 3))
    stream = events(play(turn, asking("hi"), number=1))
    deltas = [event["delta"] for event in stream if event["type"] == "content_block_delta"]
    texts = [delta.get("thinking") or delta.get("text") for delta in deltas]
    assert texts == ["a", "bc ", "d", "ef", None, "1", "2 3", "4", "5 6"]


def test_an_error_takes_the_place_of_the_answer_or_of_its_rest() -> None:
    answer = play(Turn(error=ApiError(400, "prompt is too long")), streaming("hi"), number=1)
    assert str(answer.refusal) == "400 invalid_request_error: prompt is too long"
    broken = play(Turn([Say("a b c")], fail_after=2), streaming("hi"), number=1)
    assert broken.refusal is None
    assert events(broken)[-1]["error"]["type"] == "overloaded_error"


def test_max_tokens_cuts_a_script_too() -> None:
    answer = play(Turn([Say("a b c")]), asking("hi", max_tokens=2), number=1)
    assert (answer.stop_reason, answer.output_tokens) == ("max_tokens", 2)


async def test_a_loop_runs_by_what_the_request_has(standin: StandIn, base_url: str) -> None:
    def last(body: Body) -> Turn:
        return Turn([Say(f"It says {results(body)[-1]['content']}.")], chunk=1)

    def script(body: Body) -> Turn | None:
        return looking(body) if offered(body) == ["look"] else None

    looking = steps(Turn([Call("look", {"at": "it"})], sizes=ODD, chunk=3), last)
    standin.script = script
    tool: Any = {"name": "look", "input_schema": {"type": "object"}}
    messages: list[Any] = [{"role": "user", "content": "Look."}]
    async with anthropic.AsyncAnthropic(base_url=base_url, api_key="any") as client:
        sent = []
        for tools in ([tool], [tool], [tool], []):
            async with client.messages.stream(
                model=MODEL, max_tokens=100, messages=messages, tools=tools
            ) as stream:
                message = await stream.get_final_message()
            sent.append((message.stop_reason, message.content[-1]))
            messages.append({"role": "assistant", "content": message.to_dict()["content"]})
            result = {"tool_use_id": "any", "content": "hello"}
            messages.append({"role": "user", "content": [{"type": "tool_result", **result}]})
    assert [reason for reason, _ in sent] == ["tool_use", "end_turn", "end_turn", "end_turn"]
    call, first, *usual = [part for _, part in sent]
    assert call.type == "tool_use"
    assert call.input == {"at": "it"}
    assert first.type == "text"
    assert first.text == "It says hello."
    assert all(part.type == "text" and "offline stand-in" in part.text for part in usual)
