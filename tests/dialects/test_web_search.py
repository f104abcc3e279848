"""Web search: when the model may, and what it finds in OpenAI's terms, whole and streamed."""

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from tests.dialects.events import closed, delta, end, opened, start, text_block
from tests.dialects.openai_requests import chat, response
from trioproxy.claude.turn import Event
from trioproxy.dialects.openai.chat import ChatRenderer
from trioproxy.dialects.openai.response_request import ResponsesRequest
from trioproxy.dialects.openai.responses import ResponsesRenderer
from trioproxy.dialects.whole_message import WholeAnswer
from trioproxy.errors import InvalidRequest

OFF = "left out: web search is off (`[openai] web_search`)"
FUNCTION = {"type": "function", "name": "f"}
CLAUDES = {"type": "web_search_20250305", "name": "web_search"}


def tools_of(asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = asked.messages.turn.parameters.get("tools", [])
    return found


# -- When it is there ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "type_", ["web_search", "web_search_2025_08_26", "web_search_preview_2025_03_11"]
)
def test_it_is_claudes_own_where_the_operator_allows_it(type_: str) -> None:
    tool = {"type": type_, "external_web_access": True, "search_content_types": ["text"]}
    assert tools_of(response(can_search=True, tools=[tool])) == [CLAUDES]
    off = response(tools=[tool, {**FUNCTION}])
    assert [item["name"] for item in tools_of(off)] == ["f"]
    assert off.messages.notes == (f"tools.0: {OFF}",)


def test_without_access_to_the_web_there_is_no_search() -> None:
    tool = {"type": "web_search", "external_web_access": False}
    asked = response(can_search=True, tools=[tool])
    assert tools_of(asked) == []
    assert asked.messages.notes == ("tools.0: left out: there is no search without web access",)


def test_what_narrows_a_search_is_passed_on() -> None:
    tool = {
        "type": "web_search",
        "filters": {"allowed_domains": ["a.example"], "blocked_domains": None},
        "user_location": {"type": "approximate", "city": "Bern", "region": None},
        "search_context_size": "high",
    }
    asked = response(can_search=True, tools=[tool], max_tool_calls=3)
    assert tools_of(asked) == [
        {
            **CLAUDES,
            "max_uses": 3,
            "allowed_domains": ["a.example"],
            "user_location": {"type": "approximate", "city": "Bern"},
        }
    ]
    assert asked.messages.notes == ("tools.0.search_context_size without effect: Claude has none",)
    assert response(max_tool_calls=3).messages.notes == (
        "max_tool_calls without effect: there is no web search",
    )


@pytest.mark.parametrize("is_first", [True, False])
def test_a_function_of_the_callers_with_that_name_has_another(*, is_first: bool) -> None:
    function = {**FUNCTION, "name": "web_search"}
    tools = [function, {"type": "web_search"}][:: 1 if is_first else -1]
    asked = response(can_search=True, tools=tools)
    assert sorted(item["name"] for item in tools_of(asked)) == ["web_search", "web_search_2"]
    assert asked.tools.called("web_search_2").name == "web_search"


def test_it_can_be_what_must_be_called() -> None:
    for type_ in ("web_search", "web_search_preview"):
        asked = response(
            can_search=True, tools=[{"type": "web_search"}], tool_choice={"type": type_}
        )
        choice = asked.messages.turn.parameters["tool_choice"]
        assert choice == {"type": "tool", "name": "web_search"}


def test_in_a_chat_it_is_an_option() -> None:
    place = {"type": "approximate", "approximate": {"country": "CH"}}
    options = {"user_location": place, "search_context_size": "medium"}
    (tool,) = tools_of(chat(can_search=True, web_search_options=options))
    assert tool == {**CLAUDES, "user_location": {"type": "approximate", "country": "CH"}}
    assert chat(web_search_options={}).messages.notes == (f"web_search_options: {OFF}",)
    with pytest.raises(InvalidRequest, match=r"web_search_options\.bogus: no such field"):
        chat(web_search_options={"bogus": 1})


# -- What it finds -------------------------------------------------------------------------------


def cited(url: str, title: str | None = "T") -> dict[str, Any]:
    about = {"type": "web_search_result_location", "url": url, "title": title}
    return {**about, "encrypted_index": "aW5k", "cited_text": "c"}


def found_text(index: int, text: str, *citations: dict[str, Any]) -> list[Event]:
    begin, *middle, stop = text_block(index, text)
    deltas = [delta(index, "citations_delta", citation=citation) for citation in citations]
    return [begin, *deltas, *middle, stop]


def search(index: int, query: str) -> list[Event]:
    piece = json.dumps({"query": query})
    return [
        opened(index, type="server_tool_use", id=f"s{index}", name="web_search", input={}),
        delta(index, "input_json_delta", partial_json=piece),
        closed(index),
    ]


def pages(index: int, of: int, content: object) -> list[Event]:
    block = {"type": "web_search_tool_result", "tool_use_id": f"s{of}", "content": content}
    return [opened(index, **block), closed(index)]


PAGE = {"type": "web_search_result", "url": "https://a.example", "title": "A"}
ANSWER = [
    start(),
    *text_block(0, "I look. "),
    *search(1, "bern weather"),
    *pages(2, 1, [PAGE]),
    *text_block(3, "It is "),
    *found_text(4, "sunny", cited("https://a.example"), cited("https://a.example")),
    *found_text(5, " and dry", cited("https://a.example"), cited("https://b.example", None)),
    *text_block(6, "."),
    *end("end_turn"),
]


def whole(events: list[Event]) -> WholeAnswer:
    answer = WholeAnswer()
    for event in events:
        answer.add(event)
    return answer


def searching(**fields: Any) -> ResponsesRequest:
    return response(can_search=True, tools=[{"type": "web_search"}], **fields)


def stream_of(asked: ResponsesRequest) -> ResponsesRenderer:
    return ResponsesRenderer(1, asked.echo, tools=asked.tools, has_sources=asked.has_sources)


def citation(start_index: int, end_index: int, url: str, title: str) -> dict[str, Any]:
    place = {"start_index": start_index, "end_index": end_index}
    return {"type": "url_citation", **place, "url": url, "title": title}


CITATIONS = [
    citation(6, 11, "https://a.example", "T"),
    citation(11, 19, "https://a.example", "T"),
    citation(11, 19, "https://b.example", "https://b.example"),
]


@pytest.mark.parametrize("include", [[], ["web_search_call.action.sources"]])
def test_a_response_has_the_search_and_one_text_with_annotations(include: list[str]) -> None:
    asked = searching(include=include)
    assert asked.messages.notes == ()
    result = json.loads(stream_of(asked).whole(whole(ANSWER)))
    Response.model_validate(result)
    before, made, after = result["output"]
    assert before["content"][0]["text"] == "I look. "
    assert (made["type"], made["status"]) == ("web_search_call", "completed")
    pages = {"sources": [{"type": "url", "url": "https://a.example"}]} if include else {}
    query = {"query": "bern weather", "queries": ["bern weather"]}
    assert made["action"] == {"type": "search", **query, **pages}
    (part,) = after["content"]
    assert part["text"] == "It is sunny and dry."
    assert part["annotations"] == CITATIONS
    assert part["text"][6:11] == "sunny"
    stream = stream_of(asked)
    events = [item for event in ANSWER for item in stream.add(event)]
    assert events[-1]["response"] == result


def test_the_events_of_a_search() -> None:
    stream = stream_of(searching())
    events = [item for event in ANSWER for item in stream.add(event)]
    kinds = [event["type"].removeprefix("response.") for event in events]
    assert kinds[2:] == [
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "web_search_call.in_progress",
        "web_search_call.searching",
        "web_search_call.completed",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.annotation.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    added = [event for event in events if event["type"].endswith("annotation.added")]
    assert [event["annotation"] for event in added] == CITATIONS
    assert [event["annotation_index"] for event in added] == [0, 1, 2]
    of_search = [event for event in events if "web_search_call." in event["type"]]
    assert {(event["item_id"], event["output_index"]) for event in of_search} == {
        ("ws_msg_1_1", 1)
    }


def test_a_search_that_fails_and_one_whose_pages_do_not_come() -> None:
    error = {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}
    events = [
        start(),
        *search(0, "a"),
        *pages(1, 0, error),
        *search(2, "b"),
        *search(3, "c"),
        *pages(4, 2, [PAGE]),
        *end("end_turn"),
    ]
    result = json.loads(stream_of(searching()).whole(whole(events)))
    Response.model_validate(result)
    shown = [(item["action"]["query"], item["status"]) for item in result["output"]]
    assert shown == [("a", "failed"), ("b", "completed"), ("c", "completed")]


def test_a_chat_has_the_annotations() -> None:
    asked = chat(can_search=True, web_search_options={})
    result = json.loads(ChatRenderer(1, tools=asked.tools).whole(whole(ANSWER)))
    ChatCompletion.model_validate(result)
    message = result["choices"][0]["message"]
    assert message["content"] == "I look. It is sunny and dry."
    first = message["annotations"][0]
    assert (first["type"], first["url_citation"]["title"]) == ("url_citation", "T")
    places = [
        (a["url_citation"]["start_index"], a["url_citation"]["end_index"])
        for a in message["annotations"]
    ]
    assert places == [(14, 19), (19, 27), (19, 27)]
    lines = ChatRenderer(1, tools=asked.tools).events(ANSWER).split(b"\n\n")[:-1]
    deltas = [json.loads(line.removeprefix(b"data: "))["choices"][0]["delta"] for line in lines]
    streamed = [annotation for each in deltas for annotation in each.get("annotations", [])]
    assert streamed == message["annotations"]


def test_what_claudes_search_has_not_is_noted() -> None:
    tool = {"type": "web_search", "search_content_types": ["image"]}
    notes = response(can_search=True, tools=[tool]).messages.notes
    assert notes == ("tools.0.search_content_types without effect: Claude has none",)
