import json
from typing import Any, Literal

import anthropic
import pytest
from attrs import Factory, frozen
from hypothesis import example, given
from hypothesis import strategies as st

from trioproxy.claude.turn import Message, Turn
from trioproxy.dialects.anthropic.errors import error_body
from trioproxy.dialects.anthropic.request import MessagesRequest, RequestDefaults, parse_request
from trioproxy.errors import AcquireTimeout, ApiError, InvalidRequest, TrioproxyError
from trioproxy.refusals import Refusal

HI: dict[str, Any] = {"role": "user", "content": "hi"}
OK: dict[str, Any] = {"role": "assistant", "content": "ok"}


def text(sent: str, **fields: object) -> dict[str, Any]:
    return {"type": "text", "text": sent, **fields}


def body(**fields: object) -> dict[str, Any]:
    return {"model": "claude-test", "max_tokens": 100, "messages": [HI], **fields}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in body().items() if key != name}


def parsed(data: object) -> MessagesRequest:
    return parse_request(json.dumps(data).encode())


def refused(data: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse_request(data)
    assert caught.value.status == 400
    assert caught.value.type == "invalid_request_error"
    return caught.value


def user(*blocks: dict[str, Any]) -> Message:
    return Message("user", blocks)


def assistant(*blocks: dict[str, Any]) -> Message:
    return Message("assistant", blocks)


# -- Bodies that are taken --------------------------------------------------------------------


ADDED = "cache_control: the CLI sets one at the last block too, beside that in `system`"


@frozen
class Good:
    """A body, and what of the turn it says beside the defaults of `body`."""

    name: str
    body: dict[str, Any]
    messages: tuple[Message, ...] = (user(text("hi")),)
    system: str = ""
    system_cache: Literal["", "5m", "1h"] = ""
    parameters: dict[str, Any] = Factory(dict)
    model: str = "claude-test"
    max_tokens: int = 100
    stream: bool = False
    notes: tuple[str, ...] = ()


MARKED = text("hi", cache_control={"type": "ephemeral"})
CACHED = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
TOOL = {"name": "get_weather", "input_schema": {"type": "object"}}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
SECRET = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
IDLE = {"caller": {"type": "direct"}, "cache_control": None, "toolset_name": None}
PARAMETERS: dict[str, Any] = {
    "temperature": 0.5,
    "top_p": 1,
    "top_k": 0,
    "stop_sequences": ["x"],
    "thinking": {"type": "enabled", "budget_tokens": 1024, "display": None},
    "tools": [TOOL, {"type": "web_search_20250305", "name": "web_search"}],
    "tool_choice": {"type": "tool", "name": "get_weather"},
    "output_config": {"effort": "low", "format": None},
    "metadata": {"user_id": None},
    "service_tier": "auto",
    "cache_control": {"type": "ephemeral", "ttl": "5m"},
    "container": {"id": "c"},
    "context_management": {"edits": []},
    "mcp_servers": [{}],
    "inference_geo": "us",
    "speed": "fast",
    "user_profile_id": "p",
    "workspace_id": "w",
    "diagnostics": {},
}


def sent(role: str, *content: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": list(content)}


def use(name: str, **fields: object) -> dict[str, Any]:
    return {"type": "tool_use", "id": name, "name": "get_weather", "input": {}, **fields}


def result(name: str, **fields: object) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": name, **fields}


CALL = sent("assistant", text("So."), use("t1"), use("t2"))
RESULTS = sent("user", result("t1", content="ok"), result("t2", content=[], is_error=True))

GOOD = [
    Good("the least", body()),
    Good("stream false", body(stream=False)),
    Good("stream true", body(stream=True), stream=True),
    Good("another model", body(model="a/claude@1:x[1m]"), model="a/claude@1:x[1m]"),
    Good("one token", body(max_tokens=1), max_tokens=1),
    Good("more tokens than any model has", body(max_tokens=2**53), max_tokens=2**53),
    Good("a system text", body(system="be brief"), system="be brief"),
    Good("an empty system text", body(system="")),
    Good("a null system", body(system=None)),
    Good("no system blocks", body(system=[])),
    Good("a system block", body(system=[text("be brief")]), system="be brief"),
    Good("system blocks", body(system=[text("a"), text("b\n")]), system="a\n\nb\n"),
    Good(
        "a system block with a cache breakpoint",
        body(system=[text("a", cache_control={"type": "ephemeral"})]),
        system="a",
        system_cache="5m",
        notes=(ADDED,),
    ),
    Good(
        "a system block with a breakpoint of an hour",
        body(system=[text("a"), text("b", **HOUR)]),
        system="a\n\nb",
        system_cache="1h",
        notes=(ADDED,),
    ),
    Good("stream null", body(stream=None)),
    Good("parameters", body(**PARAMETERS), parameters=PARAMETERS),
    Good("null parameters", body(temperature=None, tools=None, thinking=None)),
    Good(
        "a conversation with tools",
        body(messages=[HI, CALL, RESULTS]),
        messages=(user(text("hi")), assistant(*CALL["content"]), user(*RESULTS["content"])),
    ),
    Good(
        "what says nothing of a call is left out",
        body(messages=[HI, sent("assistant", {**use("t1"), **IDLE}), sent("user", result("t1"))]),
        messages=(user(text("hi")), assistant(use("t1")), user(result("t1"))),
    ),
    Good(
        "results in two messages",
        body(messages=[HI, CALL, sent("user", result("t2")), sent("user", result("t1"))]),
        messages=(
            user(text("hi")),
            assistant(*CALL["content"]),
            user(result("t2"), result("t1")),
        ),
    ),
    Good(
        "thoughts",
        body(messages=[HI, sent("assistant", THOUGHT, SECRET, text("ok")), HI]),
        messages=(user(text("hi")), assistant(THOUGHT, SECRET, text("ok")), user(text("hi"))),
    ),
    Good(
        "thoughts in a message of their own, before the text",
        body(messages=[HI, sent("assistant", THOUGHT), OK, HI]),
        messages=(user(text("hi")), assistant(THOUGHT, text("ok")), user(text("hi"))),
    ),
    Good("a block", body(messages=[{"role": "user", "content": [text("hi")]}])),
    Good(
        "blocks",
        body(messages=[{"role": "user", "content": [text("a"), text("b")]}]),
        messages=(user(text("a"), text("b")),),
    ),
    Good(
        "a cache breakpoint",
        body(messages=[{"role": "user", "content": [MARKED]}]),
        messages=(user(MARKED),),
    ),
    Good(
        "nulls and no citations, as an SDK may write them",
        body(
            messages=[
                {"role": "user", "content": [text("hi", cache_control=None, citations=None)]}
            ]
        ),
    ),
    Good(
        "an empty list of citations",
        body(messages=[{"role": "user", "content": [text("hi", citations=[])]}]),
    ),
    Good(
        "a conversation",
        body(messages=[HI, OK, {"role": "user", "content": "bye"}]),
        messages=(user(text("hi")), assistant(text("ok")), user(text("bye"))),
    ),
    Good(
        "texts as they were given",
        body(messages=[{"role": "user", "content": " /clear\u2028@x \u200b\n"}]),
        messages=(user(text(" /clear\u2028@x \u200b\n")),),
    ),
]


@pytest.mark.parametrize("good", GOOD, ids=lambda case: case.name)
def test_a_good_body_becomes_a_turn(good: Good) -> None:
    turn = Turn(
        good.model,
        good.max_tokens,
        good.messages,
        good.system,
        system_cache=good.system_cache,
        parameters=good.parameters,
    )
    assert parsed(good.body) == MessagesRequest(turn, good.stream, notes=good.notes)


# -- Neighbours of one role -------------------------------------------------------------------


@frozen
class Merge:
    """Roles and texts as given, and as they become."""

    name: str
    given: str
    expected: str


MERGES = [
    Merge("two of the user's", "u1 u2", "u1+u2"),
    Merge("three of the user's", "u1 u2 u3", "u1+u2+u3"),
    Merge("in the middle", "u1 a1 a2 u2", "u1 a1+a2 u2"),
    Merge("everywhere", "u1 u2 a1 a2 a3 u3 u4", "u1+u2 a1+a2+a3 u3+u4"),
    Merge("none", "u1 a1 u2 a2 u3", "u1 a1 u2 a2 u3"),
]


def messages_of(notation: str) -> list[dict[str, Any]]:
    roles = {"u": "user", "a": "assistant"}
    return [{"role": roles[sent[0]], "content": sent} for sent in notation.split()]


@pytest.mark.parametrize("merge", MERGES, ids=lambda case: case.name)
def test_neighbours_of_one_role_are_one_message_in_their_order(merge: Merge) -> None:
    turn = parsed(body(messages=messages_of(merge.given))).turn
    for message in turn.messages:
        assert {block["text"][0] for block in message.content} == {message.role[0]}
    sent = ["+".join(block["text"] for block in message.content) for message in turn.messages]
    assert " ".join(sent) == merge.expected


def test_merging_keeps_each_block_as_it_was() -> None:
    first = {"role": "user", "content": [MARKED, text("b")]}
    turn = parsed(body(messages=[first, {"role": "user", "content": "c"}])).turn
    assert turn.messages == (user(MARKED, text("b"), text("c")),)


# -- Bodies that are not taken ----------------------------------------------------------------


@frozen
class Bad:
    """A body and what is said of it: the path, a colon, the reason."""

    body: object
    sent: str


def one_message(**fields: object) -> dict[str, Any]:
    """A body whose only message has these fields too."""
    return body(messages=[{**HI, **fields}])


def block(**fields: object) -> dict[str, Any]:
    """A body whose only block has these fields too."""
    return one_message(content=[{**text("hi"), **fields}])


BLANK = "must contain a character other than white space"
ONLY_TEXT = 'must be "text", not "image"'
ONLY_EPHEMERAL = 'must be "ephemeral", not'
IMAGE = {"type": "image", "source": {"type": "url", "url": "http://127.0.0.1/"}}
NO_FIRST = 'messages.0.role: the first message must have the role "user"'
NO_LAST = (
    'role: the last message must have the role "user": this server does not continue an answer'
)
NO_ROLE = 'messages.0.role: must be "user", "assistant" or "system", not'
AT_BLOCK = "messages.0.content.0"

BAD = [
    # Parameters.
    Bad({}, "model: Field required"),
    Bad(without("model"), "model: Field required"),
    Bad(without("max_tokens"), "max_tokens: Field required"),
    Bad(without("messages"), "messages: Field required"),
    Bad(body(max_token=1), "max_token: no such parameter in the Messages API"),
    # model
    Bad(body(model=None), "model: Field required"),
    Bad(body(model="<synthetic>"), "model: not a valid model name"),
    Bad(body(model=" opus"), "model: not a valid model name"),
    Bad(body(model=4), "model: must be a string, not a number"),
    Bad(body(model=""), "model: must not be empty"),
    Bad(body(model=" \u2003\ufeff"), "model: must not be empty"),
    # max_tokens
    Bad(body(max_tokens=0), "max_tokens: must be at least 1, not 0"),
    Bad(body(max_tokens=-1), "max_tokens: must be at least 1, not -1"),
    Bad(body(max_tokens="9"), "max_tokens: must be an integer, not a string"),
    Bad(body(max_tokens=True), "max_tokens: must be an integer, not true or false"),
    Bad(body(max_tokens=0.5), "max_tokens: must be an integer, not a number"),
    Bad(
        body(max_tokens=2**53 + 1),
        "max_tokens: must be at most 9007199254740992, not 9007199254740993",
    ),
    Bad(body(max_tokens=None), "max_tokens: must be an integer, not null"),
    # stream
    Bad(body(stream=1), "stream: must be true or false, not a number"),
    Bad(body(stream="true"), "stream: must be true or false, not a string"),
    # system
    Bad(body(system=1), "system: must be a string or a list, not a number"),
    Bad(body(system={}), "system: must be a string or a list, not an object"),
    Bad(body(system=False), "system: must be a string or a list, not true or false"),
    Bad(body(system=["a"]), "system.0: must be an object, not a string"),
    Bad(body(system=[text("a"), IMAGE]), f"system.1.type: {ONLY_TEXT}"),
    Bad(body(system=[text(" ")]), f"system.0.text: {BLANK}"),
    Bad(body(system=[text("a", txt=1)]), "system.0.txt: no such field in a text block"),
    Bad(
        body(system=[text("a", cache_control=1)]),
        "system.0.cache_control: must be an object, not a number",
    ),
    # messages
    Bad(body(messages=None), "messages: must be a list, not null"),
    Bad(body(messages=HI), "messages: must be a list, not an object"),
    Bad(body(messages=[]), "messages: must contain at least one message"),
    Bad(body(messages=["hi"]), "messages.0: must be an object, not a string"),
    Bad(body(messages=[HI, None]), "messages.1: must be an object, not null"),
    Bad(body(messages=[OK]), NO_FIRST),
    Bad(body(messages=[OK, HI]), NO_FIRST),
    Bad(body(messages=[HI, OK]), f"messages.1.{NO_LAST}"),
    Bad(body(messages=[HI, HI, OK, OK]), f"messages.3.{NO_LAST}"),
    Bad(one_message(contents=1), "messages.0.contents: no such field in a message"),
    # role
    Bad(body(messages=[{"content": "hi"}]), f"{NO_ROLE} missing"),
    Bad(one_message(role=None), f"{NO_ROLE} missing"),
    Bad(one_message(role="user "), f'{NO_ROLE} "user "'),
    Bad(one_message(role=["user"]), f"{NO_ROLE} a list"),
    Bad(one_message(role="x" * 50), f'{NO_ROLE} "{"x" * 50}"'),
    Bad(one_message(role="x" * 51), f'{NO_ROLE} "{"x" * 50}..."'),
    # content
    Bad(
        body(messages=[{"role": "user"}]),
        "messages.0.content: must be a string or a list, not missing",
    ),
    Bad(one_message(content=1), "messages.0.content: must be a string or a list, not a number"),
    Bad(
        one_message(content=text("a")),
        "messages.0.content: must be a string or a list, not an object",
    ),
    Bad(one_message(content=[]), "messages.0.content: must not be empty"),
    Bad(one_message(content=""), f"messages.0.content: {BLANK}"),
    Bad(one_message(content=" \t\r\n"), f"messages.0.content: {BLANK}"),
    Bad(body(messages=[HI, {**OK, "content": "\n"}, HI]), f"messages.1.content: {BLANK}"),
    # blocks
    Bad(one_message(content=["hi"]), f"{AT_BLOCK}: must be an object, not a string"),
    Bad(one_message(content=[{"text": "hi"}]), f"{AT_BLOCK}.type: Field required"),
    Bad(one_message(content=[{"type": "text"}]), f"{AT_BLOCK}.text: must be a string"),
    Bad(block(text=1), f"{AT_BLOCK}.text: must be a string"),
    Bad(block(text=""), f"{AT_BLOCK}.text: {BLANK}"),
    Bad(one_message(content=[text("a"), text(" ")]), f"messages.0.content.1.text: {BLANK}"),
    Bad(block(txt=1), f"{AT_BLOCK}.txt: no such field in a text block"),
    Bad(block(citations={}), f"{AT_BLOCK}.citations: must be a list, not an object"),
    Bad(block(citations=[1]), f"{AT_BLOCK}.citations.0: must be an object, not a number"),
    Bad(
        block(cache_control={"type": "ephemeral", "ttl": "2h"}),
        f'{AT_BLOCK}.cache_control.ttl: must be "5m" or "1h", not "2h"',
    ),
    Bad(block(cache_control={}), f"{AT_BLOCK}.cache_control.type: Field required"),
    Bad(
        block(cache_control={"type": "permanent"}),
        f'{AT_BLOCK}.cache_control.type: {ONLY_EPHEMERAL} "permanent"',
    ),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda case: case.sent)
def test_a_bad_body_is_refused_with_what_is_wrong_and_where(bad: Bad) -> None:
    error = refused(json.dumps(bad.body).encode())
    assert f"{error.path}: {error.reason}" == bad.sent
    assert error.message.startswith(bad.sent)
    assert error.path == bad.sent.partition(": ")[0]


NO_OBJECTS = [
    Bad([], "a list"),
    Bad("hi", "a string"),
    Bad(1.5, "a number"),
    Bad(True, "true or false"),
    Bad(None, "null"),
]


@pytest.mark.parametrize("bad", NO_OBJECTS, ids=lambda case: case.sent)
def test_a_body_that_is_no_object_is_refused(bad: Bad) -> None:
    error = refused(json.dumps(bad.body).encode())
    assert error.message == f"The body must be a JSON object, not {bad.sent}."
    assert error.path == ""


# -- Bodies that are too much ------------------------------------------------------------------


def blocks_in(*counts: int) -> bytes:
    """A body whose messages have so many blocks each."""
    contents = [[text("a")] * count for count in counts]
    return json.dumps(
        body(messages=[{"role": "user", "content": content} for content in contents])
    ).encode()


def test_as_many_messages_as_allowed_are_taken_and_no_more() -> None:
    for data in (json.dumps(body(messages=[HI] * 3)).encode(), blocks_in(1, 1, 1)):
        (message,) = parse_request(data, rules=RequestDefaults(max_messages=3)).turn.messages
        assert len(message.content) == 3
        with pytest.raises(InvalidRequest) as caught:
            parse_request(data, rules=RequestDefaults(max_messages=2))
        assert caught.value.path == "messages"
        assert caught.value.message.startswith("messages: has 3 messages; this server accepts 2")


def test_ten_blocks_a_message_are_taken_wherever_they_are_and_no_more() -> None:
    (message,) = parse_request(
        blocks_in(19, 1), rules=RequestDefaults(max_messages=2)
    ).turn.messages
    assert len(message.content) == 20
    with pytest.raises(InvalidRequest) as caught:
        parse_request(blocks_in(20, 1), rules=RequestDefaults(max_messages=2))
    assert caught.value.message == (
        "messages: has 21 content blocks; this server accepts 20. "
        "Send fewer messages, or raise `[server] max_messages`."
    )


def test_too_much_is_refused_before_it_is_looked_at() -> None:
    data = json.dumps(body(messages=[None] * 3)).encode()
    with pytest.raises(InvalidRequest, match="has 3 messages"):
        parse_request(data, rules=RequestDefaults(max_messages=2))
    data = json.dumps(body(messages=[{"content": [None] * 21}, 1])).encode()
    with pytest.raises(InvalidRequest, match="has 21 content blocks"):
        parse_request(data, rules=RequestDefaults(max_messages=2))


def test_an_ordinary_long_conversation_is_not_too_much() -> None:
    messages = [HI, OK] * 4_999 + [HI]
    assert len(parsed(body(messages=messages)).turn.messages) == 9_999


# -- Bodies that are no JSON ---------------------------------------------------------------------


@frozen
class NoJSON:
    name: str
    data: bytes


NO_JSON = [
    NoJSON("nothing", b""),
    NoJSON("white space", b" \n"),
    NoJSON("a word", b"hi"),
    NoJSON("half a body", json.dumps(body()).encode()[:-1]),
    NoJSON("a body and a half", json.dumps(body()).encode() + b"{"),
    NoJSON("a byte order mark", b"\xef\xbb\xbf" + json.dumps(body()).encode()),
    NoJSON("UTF-16", json.dumps(body()).encode("utf-16")),
    NoJSON("not UTF-8", json.dumps(body(model="x")).encode().replace(b"x", b"\xff")),
    NoJSON("half a surrogate pair", rb'{"model":"\ud83d"}'),
    NoJSON("NaN", b'{"max_tokens":NaN}'),
    NoJSON("a number beyond all bounds", b'{"max_tokens":1e999}'),
    NoJSON("an unclosed nest", b"[" * 100_000),
    NoJSON("a closed nest", b"[" * 100_000 + b"]" * 100_000),
    NoJSON("a nest of objects", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
]


@pytest.mark.parametrize("data", NO_JSON, ids=lambda case: case.name)
def test_what_is_no_json_is_refused(data: NoJSON) -> None:
    error = refused(data.data)
    assert error.path == ""
    assert error.message.startswith("The body is not JSON: ")
    assert len(error.message) < 200


# What JavaScript's `trim` takes away: the CLI answers a text of only these by itself.
TRIMMED = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)


@pytest.mark.parametrize("blank", TRIMMED, ids=lambda case: f"U+{ord(case):04X}")
def test_a_text_that_javascript_would_trim_away_is_blank(blank: str) -> None:
    for data in (one_message(content=blank), one_message(content=[text("a"), text(blank * 3)])):
        assert refused(json.dumps(data).encode()).message.endswith(BLANK)
    assert parsed(one_message(content=f"{blank}a{blank}")).turn.messages == (
        user(text(f"{blank}a{blank}")),
    )


@pytest.mark.parametrize(
    "seen", "\x00\x1f\x85\u180e\u200b\u200c\u2060", ids=lambda case: f"U+{ord(case):04X}"
)
def test_a_text_that_only_python_or_the_eye_would_call_blank_is_not(seen: str) -> None:
    assert parsed(one_message(content=seen)).turn.messages == (user(text(seen)),)


def test_a_role_of_many_levels_is_refused() -> None:
    data = json.dumps(one_message(role="ROLE")).replace('"ROLE"', "[" * 150 + "]" * 150)
    assert refused(data.encode()).path == "messages.0.role"


@pytest.mark.parametrize("data", [body, one_message, block], ids=["parameter", "message", "block"])
def test_a_complaint_is_short_however_long_the_name(data: Any) -> None:
    assert len(refused(json.dumps(data(**{"x" * 100_000: 1})).encode()).message) < 1_000


# -- Anything at all --------------------------------------------------------------------------


def taken_or_refused(data: bytes) -> None:
    try:
        turn = parse_request(data).turn
    except InvalidRequest:
        return
    spoken = [message.role for message in turn.messages]
    assert spoken == [("user", "assistant")[i % 2] for i in range(len(spoken))]
    assert spoken[-1] == "user"
    assert all(message.content for message in turn.messages)
    assert turn.max_tokens is not None
    assert turn.max_tokens >= 1
    assert turn.model


leaves = (
    st.none() | st.booleans() | st.integers(-5, 2**64) | st.floats(-2, 2) | st.text(max_size=3)
)
names = st.sampled_from(
    ["model", "max_tokens", "messages", "system", "stream", "role", "content", "type", "text"]
)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(names | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=10,
)


def sometimes_anything(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 9).flatmap(lambda n: anything if n == 0 else usual)


blocks = sometimes_anything(
    st.fixed_dictionaries(
        {
            "type": sometimes_anything(st.just("text")),
            "text": sometimes_anything(st.text(min_size=1)),
        },
        optional={"cache_control": sometimes_anything(st.just({"type": "ephemeral"}))},
    )
)
contents = sometimes_anything(st.text(min_size=1) | st.lists(blocks, max_size=3))
roles = sometimes_anything(st.sampled_from(["user", "assistant"]))
messages = sometimes_anything(st.fixed_dictionaries({"role": roles, "content": contents}))
bodies = sometimes_anything(
    st.fixed_dictionaries(
        {
            "model": sometimes_anything(st.just("claude-test")),
            "max_tokens": sometimes_anything(st.integers(1, 9)),
            "messages": sometimes_anything(st.lists(messages, min_size=1, max_size=5)),
        },
        optional={
            "system": sometimes_anything(st.text() | st.lists(blocks, max_size=2)),
            "stream": sometimes_anything(st.booleans()),
        },
    )
)


@given(bodies)
@example(body())
def test_any_json_is_taken_or_refused(data: object) -> None:
    taken_or_refused(json.dumps(data).encode())


@given(st.binary())
def test_any_bytes_are_taken_or_refused(data: bytes) -> None:
    taken_or_refused(data)


@given(st.data())
def test_a_damaged_body_is_taken_or_refused(data: st.DataObject) -> None:
    whole = bytearray(json.dumps(body(system=[text("a")], stream=True)).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    taken_or_refused(bytes(whole))


# -- Errors -----------------------------------------------------------------------------------


@frozen
class Failed:
    error: TrioproxyError
    expected: dict[str, str]


FAILED = [
    Failed(
        InvalidRequest(Refusal.WRONG_TYPE, "must be a list", path="messages"),
        {"type": "invalid_request_error", "message": "messages: must be a list"},
    ),
    Failed(AcquireTimeout("All busy."), {"type": "overloaded_error", "message": "All busy."}),
    Failed(
        ApiError(429, "rate_limit_error", "Slow"), {"type": "rate_limit_error", "message": "Slow"}
    ),
]


@pytest.mark.parametrize("failed", FAILED, ids=lambda case: type(case.error).__name__)
def test_an_error_has_the_apis_shape(failed: Failed) -> None:
    shown = error_body(failed.error, "req_1")
    assert shown == {"type": "error", "error": failed.expected, "request_id": "req_1"}
    assert (
        anthropic.types.ErrorResponse.model_validate(shown).error.message == failed.error.message
    )
