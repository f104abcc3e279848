"""Names that a caller gives, at every place where there is one: how long, and of what."""

import json
from typing import Any

import pytest
from attrs import frozen

from trioproxy.dialects.anthropic.names import read_betas
from trioproxy.dialects.anthropic.request import RequestDefaults, parse_request
from trioproxy.dialects.openai.chat import parse_chat
from trioproxy.dialects.openai.response_request import parse_responses
from trioproxy.errors import InvalidRequest

HI: dict[str, Any] = {"role": "user", "content": "hi"}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
HOSTILE = ["a\nb", "a\r\nERROR b", "a\x1b[2J", "a\0b", "a\x7fb", "a\u202eb", "a\u2028b", "a\x9bb"]


def messages(**fields: object) -> None:
    body = {"model": "claude-test", "max_tokens": 9, "messages": [HI], **fields}
    parse_request(json.dumps(body).encode())


def chat(**fields: object) -> None:
    body = {"model": "haiku", "messages": [HI], **fields}
    mapped = {"my own model": "haiku"}
    parse_chat(json.dumps(body).encode(), mapped=mapped, rules=RequestDefaults())


def responses(**fields: object) -> None:
    body = {"model": "haiku", "input": "hi", **fields}
    parse_responses(json.dumps(body).encode(), mapped={}, rules=RequestDefaults())


def history(name: object, type_: str = "tool_use") -> list[dict[str, Any]]:
    call = {"type": type_, "id": "t", "name": name, "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "ok"}
    if type_ == "tool_use":
        return [
            HI,
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ]
    found = {"type": "web_search_tool_result", "tool_use_id": "t", "content": []}
    return [HI, {"role": "assistant", "content": [call, found, {"type": "text", "text": "x"}]}, HI]


def chat_history(name: object) -> list[dict[str, Any]]:
    call = {"id": "t", "type": "function", "function": {"name": name, "arguments": "{}"}}
    return [
        HI,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "t", "content": "ok"},
    ]


def items(name: object) -> list[dict[str, Any]]:
    return [
        HI,
        {"type": "function_call", "call_id": "t", "name": name, "arguments": "{}"},
        {"type": "function_call_output", "call_id": "t", "output": "ok"},
    ]


@frozen
class Place:
    """Where a name stands: how to say it, its path in an error, and what is no good there."""

    ask: Any
    path: str
    longest: int
    refused: tuple[str, ...]
    taken: tuple[str, ...]


OF_MODELS = (
    "claude-haiku-4-5",
    "opus[1m]",
    "claude-sonnet-4-5@20250929",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6",
    "anthropic/claude-sonnet-4.5",
    "qwen/qwen3-coder:free",
    "~anthropic/claude-latest",
)
OF_TOOLS = ("f", "get_weather", "mcp__server-1__Read", "0")
NOT_OF_TOOLS = (*HOSTILE, "a.b", "a b", "é", "a:b", "a/b")
OF_API_TOOLS = ("web_search", "mcp.server:tool", "a b", "größe")
AS_CALLED = (*OF_API_TOOLS, "cat <<'E'\n\thello\nE")

PLACES = {
    "a model": Place(
        lambda name: messages(model=name),
        "model", 256, (*HOSTILE, "a b", "é", "a\xa0b", "<synthetic>"), OF_MODELS,
    ),
    "a chat's model": Place(
        lambda name: chat(model=name),
        "model", 256, (*HOSTILE, "a\xa0b"), ("haiku", "my own model"),
    ),
    "a response's model": Place(
        lambda name: responses(model=name), "model", 256, tuple(HOSTILE), ("haiku", "claude-x[1m]")
    ),
    "a tool": Place(
        lambda name: messages(tools=[{**TOOL, "name": name}]),
        "tools.0.name", 128, NOT_OF_TOOLS, OF_TOOLS,
    ),
    "a custom tool": Place(
        lambda name: messages(tools=[{**TOOL, "type": "custom", "name": name}]),
        "tools.0.name", 128, NOT_OF_TOOLS, OF_TOOLS,
    ),
    "one of the API's tools": Place(
        lambda name: messages(tools=[{**SEARCH, "name": name}]),
        "tools.0.name", 256, tuple(HOSTILE), OF_API_TOOLS,
    ),
    "the type of one": Place(
        lambda name: messages(tools=[{**SEARCH, "type": name}]),
        "tools.0.type", 256, tuple(HOSTILE), ("bash_20250124", "new.type:1"),
    ),
    "the choice of a tool": Place(
        lambda name: messages(tools=[TOOL], tool_choice={"type": "tool", "name": name}),
        "tool_choice.name", 256, tuple(HOSTILE), OF_API_TOOLS,
    ),
    "a chat's function": Place(
        lambda name: chat(tools=[{"type": "function", "function": {"name": name}}]),
        "tools.0.function.name", 256, tuple(HOSTILE), OF_API_TOOLS,
    ),
    "a response's function": Place(
        lambda name: responses(tools=[{"type": "function", "name": name}]),
        "tools.0.name", 256, tuple(HOSTILE), OF_API_TOOLS,
    ),
    "a call": Place(
        lambda name: messages(messages=history(name)),
        "messages.1.content.0.name", 256, (), AS_CALLED,
    ),
    "a call of the API's own tool": Place(
        lambda name: messages(messages=history(name, "server_tool_use")),
        "messages.1.content.0.name", 256, (), AS_CALLED,
    ),
    "a chat's call": Place(
        lambda name: chat(messages=chat_history(name)),
        "messages.1.tool_calls.0.function.name", 256, (), AS_CALLED,
    ),
    "a response's call": Place(
        lambda name: responses(input=items(name)), "input.1.name", 256, (), AS_CALLED
    ),
}  # fmt: skip

each_place = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)


@each_place
def test_what_may_be_a_name_is_taken(place: Place) -> None:
    for name in place.taken:
        place.ask(name)


@each_place
def test_what_is_none_is_refused_where_it_stands(place: Place) -> None:
    for name in place.refused:
        with pytest.raises(InvalidRequest) as caught:
            place.ask(name)
        assert caught.value.path == place.path, ascii(name)
        assert str(caught.value).isprintable()


@each_place
def test_a_name_is_as_long_as_it_may_be_and_no_longer(place: Place) -> None:
    for name in ("claude-" + "x" * (place.longest - 6), "claude-" + "x" * 1_000_000):
        with pytest.raises(InvalidRequest) as caught:
            place.ask(name)
        assert caught.value.path == place.path
        assert len(str(caught.value)) < 100
    place.ask("claude-" + "x" * (place.longest - 7))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_beta_feature_is_no_other_line(name: str) -> None:
    with pytest.raises(InvalidRequest, match="anthropic-beta: contains an invalid beta name"):
        read_betas(f"good,{name}")


def test_beta_features_are_so_many_and_no_more() -> None:
    names = [f"beta-{i}" for i in range(101)]
    assert read_betas(",".join(names[:100])) == tuple(names[:100])
    assert read_betas(",".join(names[:1] * 1000)) == ("beta-0",)
    with pytest.raises(
        InvalidRequest, match="anthropic-beta: has 101 names; at most 100 are allowed"
    ):
        read_betas(",".join(names))
