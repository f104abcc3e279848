"""What the CLI could not carry as it was sent, and how it is sent instead."""

import json
from collections import Counter
from typing import Any

import pytest
from attrs import frozen

from tests.messages import assistant, image, result, text, use, user
from trioproxy.dialects.anthropic.request import MessagesRequest, parse_request
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

HI = user("hi")
TEXT = {"type": "text", "text": "hi"}
MARK = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
TOOL = {"name": "t", "input_schema": {"type": "object"}}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
SECRET = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
BILLING = "x-anthropic-billing-header: cc_version=9.9.9.abc; cc_entrypoint=cli; cch=00000;"
IDENTITY = "You are Claude Code, Anthropic's official CLI for Claude."
WEB = {"type": "web_search_result_location", "url": "https://e.example", "encrypted_index": "aQ=="}
PAGE = {"type": "page_location", "document_index": 0, "cited_text": "c"}

REMINDER = "system messages in the conversation sent as reminders in a user's turn"
MOVED_BLOCK = "blocks after a tool_use moved before it"
LEFT_OUT = "assistant messages with only thinking, or nothing, left out"
NEIGHBOUR = "cache_control: moved to a neighbouring block, the CLI drops it where it was"
ADDED = "cache_control: the CLI sets one at the last block too, beside that in `system`"
SURPLUS = "cache_control: left out, the CLI sets its own beside that in `system`"


def parsed(messages: list[dict[str, Any]], **fields: object) -> MessagesRequest:
    body = {"model": "claude-test", "max_tokens": 100, "messages": messages, **fields}
    return parse_request(json.dumps(body).encode())


def sent(request: MessagesRequest) -> list[tuple[str, list[dict[str, Any]]]]:
    return [(message.role, list(message.content)) for message in request.turn.messages]


def reminder(first_text: str, **fields: object) -> dict[str, Any]:
    return text(f"<system-reminder>\n{first_text}\n</system-reminder>", **fields)


def system(*content: dict[str, Any] | str, **fields: object) -> dict[str, Any]:
    return {**user(*content), "role": "system", **fields}


@frozen
class Mended:
    """A conversation, as what it is sent, and the notes by their count."""

    name: str
    messages: list[dict[str, Any]]
    sent: list[tuple[str, list[dict[str, Any]]]]
    notes: dict[str, int]


USE, OTHER = use("t1"), use("t2")
DONE = ("user", [result("t1")])
BOTH_DONE = ("user", [result("t1"), result("t2")])
ASKED = ("user", [TEXT])

MENDED = [
    # System messages in the conversation.
    Mended(
        "a system message last",
        [HI, assistant("so"), user("go"), system("French.")],
        [ASKED, ("assistant", [text("so")]), ("user", [text("go"), reminder("French.")])],
        {REMINDER: 1},
    ),
    Mended(
        "a system message behind an answer",
        [HI, assistant("so"), system("a", "b")],
        [ASKED, ("assistant", [text("so")]), ("user", [reminder("a"), reminder("b")])],
        {REMINDER: 1},
    ),
    Mended(
        "a system message first",
        [system("a"), HI],
        [("user", [reminder("a"), TEXT])],
        {REMINDER: 1},
    ),
    Mended(
        "a system message as a string",
        [HI, {"role": "system", "content": "a"}],
        [("user", [TEXT, reminder("a")])],
        {REMINDER: 1},
    ),
    Mended(
        "a system message with a breakpoint",
        [HI, system(text("a", **MARK))],
        [("user", [TEXT, reminder("a", **MARK)])],
        {REMINDER: 1},
    ),
    Mended(
        "a system message between a call and its result waits for the result",
        [HI, assistant(USE), system("a"), user(result("t1"), "go")],
        [ASKED, ("assistant", [USE]), ("user", [result("t1"), text("go"), reminder("a")])],
        {REMINDER: 1},
    ),
    Mended(
        "a system message between two results waits for both",
        [HI, assistant(USE, OTHER), user(result("t1")), system("a"), user(result("t2"))],
        [
            ASKED,
            ("assistant", [USE, OTHER]),
            ("user", [result("t1"), result("t2"), reminder("a")]),
        ],
        {REMINDER: 1},
    ),
    # The order of an assistant's blocks.
    Mended(
        "a text behind a call",
        [HI, assistant("a", USE, "b"), user(result("t1"))],
        [ASKED, ("assistant", [text("a"), text("b"), USE]), DONE],
        {MOVED_BLOCK: 1},
    ),
    Mended(
        "a text behind a call, as a message of its own",
        [HI, assistant(USE), assistant("b"), user(result("t1"))],
        [ASKED, ("assistant", [text("b"), USE]), DONE],
        {MOVED_BLOCK: 1},
    ),
    Mended(
        "a thought between two calls, and none before",
        [HI, assistant(USE, THOUGHT, OTHER), user(result("t1"), result("t2"))],
        [ASKED, ("assistant", [THOUGHT, USE, OTHER]), BOTH_DONE],
        {MOVED_BLOCK: 1},
    ),
    Mended(
        "thoughts before each of two calls keep their places",
        [HI, assistant(THOUGHT, USE, SECRET, OTHER), user(result("t1"), result("t2"))],
        [ASKED, ("assistant", [THOUGHT, USE, SECRET, OTHER]), BOTH_DONE],
        {},
    ),
    Mended(
        "a thought right behind a call, and one before, keep all places",
        [HI, assistant(THOUGHT, USE, THOUGHT, "so"), user(result("t1"))],
        [ASKED, ("assistant", [THOUGHT, USE, THOUGHT, text("so")]), DONE],
        {},
    ),
    Mended(
        "two thoughts, neither right behind a call",
        [HI, assistant(THOUGHT, USE, "so", THOUGHT, OTHER), user(result("t1"), result("t2"))],
        [ASKED, ("assistant", [THOUGHT, text("so"), THOUGHT, USE, OTHER]), BOTH_DONE],
        {MOVED_BLOCK: 2},
    ),
    # Messages that say nothing.
    Mended(
        "only a thought", [HI, assistant(THOUGHT), HI], [("user", [TEXT, TEXT])], {LEFT_OUT: 1}
    ),
    Mended(
        "only thoughts, in two messages",
        [HI, assistant(THOUGHT), assistant(SECRET), HI],
        [("user", [TEXT, TEXT])],
        {LEFT_OUT: 1},
    ),
    Mended(
        "no content", [HI, assistant("(no content)"), HI], [("user", [TEXT, TEXT])], {LEFT_OUT: 1}
    ),
    # Citations.
    Mended(
        "citations of a web search stay",
        [HI, assistant(text("a", citations=[WEB])), HI],
        [ASKED, ("assistant", [text("a", citations=[WEB])]), ASKED],
        {},
    ),
    Mended(
        "other citations go",
        [HI, assistant(text("a", citations=[PAGE, WEB, PAGE]), text("b", citations=[PAGE])), HI],
        [ASKED, ("assistant", [text("a", citations=[WEB]), text("b")]), ASKED],
        {"citations in the assistant's texts left out, except those of a web search": 3},
    ),
    Mended(
        "a user's citations stay",
        [user(text("a", citations=[PAGE]))],
        [("user", [text("a", citations=[PAGE])])],
        {},
    ),
    # Numbers.
    Mended(
        "a large number becomes its digits",
        [
            HI,
            assistant({**USE, "input": {"id": [2**53 + 1, 2**53], "x": 1.5}}),
            user(result("t1")),
        ],
        [
            ASKED,
            ("assistant", [{**USE, "input": {"id": ["9007199254740993", 2**53], "x": 1.5}}]),
            DONE,
        ],
        {"whole numbers beyond 2^53 sent as text": 1},
    ),
    # Breakpoints.
    Mended(
        "a breakpoint at a call moves to the text before it",
        [HI, assistant("a", {**USE, **MARK}), user(result("t1"))],
        [ASKED, ("assistant", [text("a", **MARK), USE]), DONE],
        {NEIGHBOUR: 1},
    ),
    Mended(
        "a breakpoint at the second of two calls moves to the result",
        [HI, assistant("a", USE, {**OTHER, **HOUR}), user(result("t1"), result("t2"))],
        [
            ASKED,
            ("assistant", [text("a"), USE, OTHER]),
            ("user", [{**result("t1"), **HOUR}, result("t2")]),
        ],
        {NEIGHBOUR: 1},
    ),
    Mended(
        "a breakpoint at a call behind a thought moves to the result",
        [HI, assistant(THOUGHT, {**USE, **MARK}), user(result("t1"))],
        [ASKED, ("assistant", [THOUGHT, USE]), ("user", [{**result("t1"), **MARK}])],
        {NEIGHBOUR: 1},
    ),
    Mended(
        "a breakpoint that moves to one that is there becomes one with it",
        [HI, assistant(text("t", **HOUR), {**USE, **MARK}), user({**result("t1"), **MARK})],
        [ASKED, ("assistant", [text("t", **HOUR), USE]), ("user", [{**result("t1"), **MARK}])],
        {NEIGHBOUR: 1},
    ),
    Mended(
        "a breakpoint at an image's data moves to the text behind it",
        [user({**image(), **MARK}, "hi")],
        [("user", [image(), {**TEXT, **MARK}])],
        {NEIGHBOUR: 1},
    ),
    Mended(
        "a breakpoint with no neighbour is left out",
        [user({**image(), **MARK})],
        [("user", [image()])],
        {NEIGHBOUR: 1},
    ),
]


@pytest.mark.parametrize("case", MENDED, ids=lambda case: case.name)
def test_a_conversation_is_sent_as_the_cli_can_carry_it(case: Mended) -> None:
    request = parsed(case.messages)
    assert sent(request) == case.sent
    assert Counter(request.notes) == case.notes


def test_what_a_system_message_says_of_the_answer_is_the_turns() -> None:
    messages = [HI, system("a", output_config={"effort": "medium"})]
    form = {"type": "json_schema", "schema": {"type": "object"}}
    request = parsed(messages, output_config={"effort": "low", "format": form})
    assert request.turn.parameters["output_config"] == {"effort": "medium", "format": form}
    with pytest.raises(InvalidRequest, match=r"messages\.1\.output_config\.effort: must be "):
        parsed([HI, system("a", output_config={"effort": "much"})])


def test_a_system_message_may_say_only_how_to_answer() -> None:
    messages = [HI, {"role": "system", "content": [], "output_config": {"effort": "max"}}]
    request = parsed(messages)
    assert request.turn.parameters["output_config"] == {"effort": "max"}
    assert (sent(request), request.notes) == ([ASKED], ())
    with pytest.raises(InvalidRequest, match="messages: must contain a message that is not empty"):
        parsed(messages[1:])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (" ", "messages.1.content: must contain a character other than white space"),
        ([], "messages.1.content: must not be empty"),
        ([image()], 'messages.1.content.0.type: must be "text", not "image"'),
        (1, "messages.1.content: must be a list, not a number"),
    ],
)
def test_a_system_message_must_have_a_text(content: object, complaint: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed([HI, {"role": "system", "content": content}])
    assert caught.value.message == complaint


def test_a_call_whose_result_is_missing_is_refused_whatever_a_system_message_says() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed([HI, assistant(USE), system("a"), HI])
    assert caught.value.refusal is Refusal.UNPAIRED_CALL
    assert caught.value.path == "messages.1.content.0"


# -- The system prompt ----------------------------------------------------------------------------

NO_BILLING = "system: billing header left out, the CLI writes its own"
NO_IDENTITY = "system: identity left out, the CLI writes its own"
BOUNDARY = "__SYSTEM_PROMPT_DYNAMIC_BOUNDARY__"
FEED = f"system: preceded by a line feed, so that its line {BOUNDARY} arrives"
ONE_MARK = "cache_control: in `system`, only one is kept, at its end"


@pytest.mark.parametrize(
    ("given", "sent_as", "notes"),
    [
        ([text(BILLING), text(IDENTITY), text("Help.")], f"{IDENTITY}\n\nHelp.", {NO_BILLING}),
        ([text(BILLING), text(IDENTITY)], "", {NO_BILLING, NO_IDENTITY}),
        ([text(BILLING)], "", {NO_BILLING}),
        (IDENTITY, "", {NO_IDENTITY}),
        (f"{IDENTITY}\nHelp.", f"{IDENTITY}\nHelp.", set()),
        (f"{BILLING}\n\nHelp.", "Help.", {NO_BILLING}),
        (f"{BILLING}\n{BILLING}\n\n{BILLING}", "", {NO_BILLING}),
        ([text(f"{BILLING}\n \n")], "", {NO_BILLING}),
        ([text("Help."), text(f"{BILLING}\nMore.")], "Help.\n\nMore.", {NO_BILLING}),
        (f" {BILLING}\nHelp.", "Help.", {NO_BILLING}),
        (f"Help.\n{BILLING}", f"Help.\n{BILLING}", set()),
        (f"a\n \t{BOUNDARY} \nb", f"{BOUNDARY}\na\n \t{BOUNDARY} \nb", {FEED}),
        (f"\n{BOUNDARY}\nb", f"{BOUNDARY}\n{BOUNDARY}\nb", set()),
        (f"a {BOUNDARY}\nb", f"a {BOUNDARY}\nb", set()),
    ],
)
def test_what_the_cli_says_itself_is_left_to_it(
    given: object, sent_as: str, notes: set[str]
) -> None:
    request = parsed([HI], system=given)
    assert (request.turn.system, set(request.notes)) == (sent_as, notes)


def test_two_conversations_of_one_prompt_have_the_same_prompt() -> None:
    prompts = {
        parsed([HI], system=[text(BILLING.replace("abc", digits)), text("Help.")]).turn.system
        for digits in ("abc", "def")
    }
    assert prompts == {"Help."}


def test_the_breakpoint_of_a_prompt_stands_behind_its_end() -> None:
    request = parsed([HI], system=[text(BILLING), text(IDENTITY, **HOUR), text("Help.", **HOUR)])
    assert (request.turn.system_cache, set(request.notes)) == ("1h", {NO_BILLING, ONE_MARK, ADDED})
    request = parsed([HI], system=[text(IDENTITY, **MARK)])
    assert (request.turn.system_cache, set(request.notes)) == ("", {NO_IDENTITY, ONE_MARK})


def test_a_breakpoint_inside_a_block_has_no_room_beside_one_in_the_prompt_and_a_later_one() -> (
    None
):
    marked = user(result("t1", [text("a", **MARK)]), text("b", **MARK), "c")
    request = parsed([HI, assistant(USE), marked], system=[text("s", **MARK)])
    assert sent(request)[-1] == ("user", [result("t1", [text("a")]), text("b", **MARK), text("c")])
    assert request.notes == (ADDED, SURPLUS)


def test_an_hour_at_the_last_block_is_the_clis_five_minutes_beside_a_prompts() -> None:
    request = parsed([user(text("a", **HOUR))], system=[text("s", **MARK)])
    assert request.notes == (
        "cache_control: 5m at the last block, as the CLI sets it beside that in `system`",
    )


# -- References to tools --------------------------------------------------------------------------


def test_a_reference_to_a_tool_becomes_a_text_and_the_tool_is_loaded() -> None:
    reference = {"type": "tool_reference", "tool_name": "read", **MARK}
    tools = [
        {**TOOL, "name": "search"},
        {**TOOL, "name": "read", "defer_loading": True},
        {**TOOL, "name": "write", "defer_loading": True},
    ]
    found = user(result("t1", [text("Found:"), reference, {**reference, "tool_name": "gone"}]))
    request = parsed([HI, assistant(USE), found], tools=tools)
    loaded = [text("Found:"), text("Tool loaded: read", **MARK), text("Tool loaded: gone", **MARK)]
    assert sent(request)[-1] == ("user", [result("t1", loaded)])
    assert request.turn.parameters["tools"] == [
        {**TOOL, "name": "search"},
        {**TOOL, "name": "read"},
        {**TOOL, "name": "write", "defer_loading": True},
    ]
    assert Counter(request.notes) == {
        "tool_reference: replaced by a text, and the tool sent without defer_loading": 2
    }


def test_a_reference_must_name_its_tool() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed([HI, assistant(USE), user(result("t1", [{"type": "tool_reference"}]))])
    assert caught.value.path == "messages.2.content.0.content.0.tool_name"


# -- Blocks of betas ------------------------------------------------------------------------------


def test_where_another_model_took_over_is_left_out() -> None:
    fallback = {"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}}
    request = parsed([HI, assistant(fallback, "So."), HI, assistant(fallback), HI])
    assert sent(request) == [
        ("user", [text("hi")]),
        ("assistant", [text("So.")]),
        ("user", [text("hi"), text("hi")]),
    ]
    assert Counter(request.notes) == {
        "fallback: left out, the CLI drops it": 2,
        "assistant messages with only thinking, or nothing, left out": 1,
    }


def test_a_system_message_stays_where_it_is_sent() -> None:
    instruction = {"role": "system", "content": "Be kind.", "clear_at": "next_user_message"}
    request = parsed([HI, assistant("So."), instruction, HI])
    assert "clear_at of system messages without effect: they stay where they are sent" in (
        request.notes
    )


def test_what_an_advisor_said_is_refused_by_its_name() -> None:
    advice = {"type": "advisor_tool_result", "tool_use_id": "a", "content": {}}
    with pytest.raises(InvalidRequest, match="the CLI drops what the advisor said"):
        parsed([HI, assistant("So.", advice), HI])
