"""What the CLI alters of a conversation, drops, or cannot carry; and what it carries as it is.

Each rule of the dialects that is there because of the CLI has its reason here. A test that fails
shows that the CLI has changed: what it no longer alters needs no rule, and what it no longer
carries needs one.
"""

# ruff: noqa: E501 - a line a case

from collections.abc import Iterator
from typing import Any

import pytest
from attrs import field, frozen

from tests.messages import assistant, document, image, result, text, use, user
from tests.real.one_process import (
    BOUNDARY,
    OWN_WORDS,
    SYSTEM,
    OneProcess,
    comparable,
    one_process,
    turn,
)
from trioproxy.dialects.anthropic.names import DROPPED_BETAS
from trioproxy.refusals import Category, Refusal

pytestmark = pytest.mark.real

Blocks = list[dict[str, Any]]

NEW_MODEL = "claude-opus-5-5"
CACHED = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
SECRET = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
PDF = document(type="base64", media_type="application/pdf", data="JVBERi0xLjQK")
SEARCH = {
    "type": "server_tool_use",
    "id": "srvtoolu_1",
    "name": "web_search",
    "input": {"query": "trio"},
}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
REMOTE = {**SEARCH, "type": "mcp_tool_use", "id": "mcptoolu_1", "server_name": "s"}
REMOTE_FOUND = {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "content": []}
ADVISED = {
    "type": "advisor_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": {"type": "advisor_result", "text": "Do."},
}
WEB = {
    "type": "web_search_result_location",
    "url": "https://a.example",
    "title": "T",
    "encrypted_index": "aW5k",
    "cited_text": "c",
}
IN_A_DOCUMENT = {"cited_text": "c", "document_index": 0, "document_title": None}
OTHER_CITATIONS = [
    {"type": "char_location", "start_char_index": 0, "end_char_index": 1, **IN_A_DOCUMENT},
    {"type": "page_location", "start_page_number": 1, "end_page_number": 2, **IN_A_DOCUMENT},
    {
        "type": "content_block_location",
        "start_block_index": 0,
        "end_block_index": 1,
        **IN_A_DOCUMENT,
    },
    {
        "type": "search_result_location",
        "source": "s",
        "title": "t",
        "cited_text": "c",
        "search_result_index": 0,
        "start_block_index": 0,
        "end_block_index": 1,
    },
]
MISSING = {"type": "tool_result", "tool_use_id": "t1", "content": OWN_WORDS, "is_error": True}
INTERRUPTED = text(OWN_WORDS, citations=[])
NO_IMAGE = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
SQUARE = image()["source"]
AS_JPEG = {"type": "image", "source": {**SQUARE, "media_type": "image/jpeg"}}


def thought(message: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": message, "signature": "c2lnbmVk"}


def pictures(count: int) -> Blocks:
    urls = (f"https://a.example/{number}.png" for number in range(count))
    return [{"type": "image", "source": {"type": "url", "url": url}} for url in urls]


def reference(name: str) -> dict[str, Any]:
    return {"type": "tool_reference", "tool_name": name}


def says(*content: dict[str, Any] | str) -> list[dict[str, Any]]:
    """A conversation whose last answer is this, with the results of its calls."""
    answer = assistant(*content)
    calls = [block["id"] for block in answer["content"] if block["type"] == "tool_use"]
    return [user("?"), answer, user(*map(result, calls), "go on")]


def hears(*content: dict[str, Any] | str) -> list[dict[str, Any]]:
    """A conversation whose last message is this, and the one before it a call of a tool."""
    return [user("?"), assistant(use("t1")), user(*content)]


@frozen
class Altered:
    """A conversation, and what of it arrives at the API instead."""

    name: str
    given: list[dict[str, Any]]
    arrives: list[dict[str, Any]]
    fields: dict[str, Any] = field(factory=dict)


@frozen
class Carried:
    """A conversation that arrives as it is. Without guard, where the user says nothing is none."""

    name: str
    given: list[dict[str, Any]]
    fields: dict[str, Any] = field(factory=dict)
    is_guarded: bool = True


ALTERED = [
    # The order of an answer.
    Altered("text_behind_a_call", says(use("t1"), "So."), says("So.", use("t1"))),
    Altered("text_between_calls", says(use("t1"), "So.", use("t2")), says("So.", use("t1"), use("t2"))),
    Altered("search_behind_a_call", says(use("t1"), SEARCH, FOUND), says(SEARCH, FOUND, use("t1"))),
    Altered("one_thought_behind_a_call", says(use("t1"), thought("a"), use("t2")), says(thought("a"), use("t1"), use("t2"))),
    Altered("text_before_the_thought_behind_a_call", says(thought("a"), use("t1"), "So.", thought("b"), use("t2")), says(thought("a"), "So.", thought("b"), use("t1"), use("t2"))),
    # What is lost of a block.
    *(Altered(f"citation_{citation['type']}", says(text("So.", citations=[citation, WEB])), says(text("So.", citations=[WEB]))) for citation in OTHER_CITATIONS),
    Altered("last_citation", says(text("So.", citations=OTHER_CITATIONS)), says(text("So.", citations=[]))),
    Altered("breakpoint_at_a_call", says({**use("t1"), **CACHED}), says(use("t1"))),
    Altered("breakpoint_at_an_image", [user({**image(), **CACHED}, "?")], comparable([user(image(), "?")])),
    Altered("transformations_of_an_image", [user({**image(), "transformations": {}}, "?")], comparable([user(image(), "?")])),
    Altered("breakpoint_at_the_end_of_a_cached_prompt", [user(text("?", **HOUR))], [user(text("?", **CACHED))], {"system_cache": "1h"}),
    Altered("caller_of_a_call", says({**use("t1"), "caller": {"type": "code_execution_20250825", "tool_id": "srvtoolu_1"}}), says(use("t1"))),
    Altered("toolset_of_a_call", says({**use("t1"), "toolset_name": "x"}), says(use("t1"))),
    Altered("large_number", says(use("t1", x=2**53 + 1)), says(use("t1", x=2**53))),
    Altered("tool_reference", hears(result("t1", [reference("a"), text("b")])), hears(result("t1", [text("b")]))),
    Altered("tool_reference_alone", hears(result("t1", [reference("a"), reference("b")])), hears(result("t1", [text(OWN_WORDS)]))),
    Altered("media_in_an_error_result", hears(result("t1", [text("a"), image(), PDF], is_error=True)), hears(result("t1", [text("a")], is_error=True))),
    Altered("only_media_in_an_error_result", hears(result("t1", [image()], is_error=True)), hears(result("t1", [], is_error=True))),
    # Blocks that are lost.
    Altered("server_call_without_result", says("So.", SEARCH), says("So.")),
    Altered("mcp_call_without_result", says("So.", REMOTE), says("So.")),
    Altered("only_a_server_call_without_result", says(SEARCH), says(INTERRUPTED)),
    Altered("advice", says({**SEARCH, "name": "advisor"}, ADVISED, "So."), says("So.")),
    Altered("fallback", says({"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}}, "So."), says("So.")),
    Altered("call_without_result", [user("?"), assistant(use("t1")), user("go on")], hears(MISSING, "go on")),
    Altered("result_without_call", [user("?"), assistant("So."), user(result("t1"), "go on")], says("So.")),
    Altered("result_twice", hears(result("t1"), result("t1", "rain")), hears(result("t1"))),
    Altered("call_twice", [user("?"), assistant(use("t1"), use("t1", "b")), user(result("t1"))], hears(result("t1"))),
    Altered("id_of_an_earlier_call", [*says(use("t1")), assistant(use("t1")), user(result("t1"), "on")], [*says(use("t1")), assistant(INTERRUPTED), user("on")]),
    # Messages that are lost.
    Altered("thoughts_need_a_model_id", says(thought("a"), "So."), says("So."), {"model": "opus"}),
    Altered("thinking_alone", says(thought("a"), SECRET), [user("?", "go on")]),
    Altered("no_content", says("(no content)"), [user("?", "go on")]),
    Altered("thinking_and_no_content", says(thought("a"), "(no content)"), [user("?", "go on")]),
    Altered("blank_answer", says("\n"), [user("?", "go on")]),
    Altered("blank_question", [user(" \u00a0\ufeff")], [user("(no content)")]),
    Altered("blank_text_of_the_user", [user(" ", "?", "\n")], [user("?")]),
    # Images.
    Altered("too_many_media", [user(*pictures(101), "?")], [user(*pictures(101)[21:], "?")]),
    Altered("too_many_media_in_results", hears(result("t1", pictures(60)), *pictures(60)), hears(result("t1", [*[text(OWN_WORDS)] * 21, *pictures(60)[21:]]), *pictures(60))),
    Altered("too_many_media_for_a_new_model", [user(*pictures(601), "?")], [user(*pictures(601)[21:], "?")], {"model": NEW_MODEL}),
    Altered("unreadable_image", [user({"type": "image", "source": NO_IMAGE}, "?")], [user(OWN_WORDS, "?")]),
    Altered("large_image", [user(image(2001), "?")], comparable([user(image(2000), "?", OWN_WORDS)])),
    Altered("large_image_for_a_new_model", [user(image(1933), "?")], comparable([user(image(1932), "?", OWN_WORDS)]), {"model": NEW_MODEL}),
    Altered("media_type", [user(AS_JPEG, "?")], comparable([user(image(), "?")])),
]  # fmt: skip

TOOL = {"name": "get_weather", "input_schema": {"type": "object"}}

CARRIED = [
    Carried("thinking_between_calls", says(thought("a"), use("t1"), thought("b"), use("t2"), SECRET, use("t3"))),
    Carried("text_behind_thinking_between_calls", says(thought("a"), use("t1"), thought("b"), "So.", use("t2"))),
    Carried("thinking_between_calls_earlier", [*says(thought("a"), use("t1"), thought("b"), use("t2")), assistant("So."), user("on")]),
    Carried("thinking_between_calls_while_it_thinks", says(thought("a"), use("t1"), thought("b"), use("t2")), {"model": NEW_MODEL, "parameters": {"thinking": {"type": "adaptive"}}}),
    Carried("thinking_behind_text", says("So.", thought("a"), "Yes.")),
    Carried("web_citations", [*says(SEARCH, FOUND, text("So.", citations=[WEB]), "and", text("so.", citations=[WEB], **CACHED)), assistant(text("Yes.", citations=[WEB])), user("on")]),
    Carried("citations_of_the_user", [user(text("?", citations=OTHER_CITATIONS))]),
    Carried("search_before_a_call", says(SEARCH, FOUND, REMOTE, REMOTE_FOUND, use("t1"))),
    Carried("search_with_text_before_its_result", says(SEARCH, "So.", FOUND)),
    Carried("breakpoints", says({**SEARCH, **CACHED}, {**FOUND, **HOUR}, text("So.", **CACHED), use("t1"))),
    Carried("breakpoints_in_a_result", hears({**result("t1", [text("a", **CACHED), {**image(), **CACHED}]), **CACHED}, text("on", **HOUR))),
    Carried("breakpoints_in_a_document", [user({**document(type="content", content=[text("a", **CACHED)]), **CACHED}, text("?", **CACHED))]),
    Carried("breakpoint_at_an_image_by_its_url", [user({**pictures(1)[0], **CACHED}, "?")]),
    Carried("blocks_of_betas", [user("?", {"type": "mcp_tool_listing", "mcp_server_name": "s", "tools": []}), assistant({"type": "compaction", "content": "Sum."}, {"type": "mcp_tool_listing", "mcp_server_name": "s", "tools": []}, "So."), user({"type": "tool_addition", "tools": []}, {"type": "tool_removal", "tools": []}, "go on")]),
    Carried("a_browser_and_a_toolset", hears({**result("t1", [{"type": "browser_state", "tabs": []}]), "toolset_name": "x"}, "on")),
    Carried("empty_results", [user("?"), assistant(use("t1"), use("t2"), use("t3")), user(result("t1", ""), result("t2", []), {"type": "tool_result", "tool_use_id": "t3", "is_error": True})]),
    Carried("unreadable_image_in_a_result", hears(result("t1", [{"type": "image", "source": NO_IMAGE}, AS_JPEG, image(2001)]))),
    Carried("text_before_and_between_results", [user("?"), assistant(use("t1"), use("t2")), user("a", result("t2"), image(), result("t1"), "b")]),
    Carried("text_behind_an_earlier_result", [*says(use("t1")), assistant("So."), user("on")]),
    Carried("reminders", [user("<system-reminder>\na\n</system-reminder>"), assistant(use("t1")), user(result("t1"), "<system-reminder>\nb\n</system-reminder>")]),
    Carried("blank_texts_of_the_assistant", says(thought("a"), "\n\n", "So.", " ", use("t1"))),
    Carried("no_content_beside_a_call", says("(no content)", use("t1"))),
    Carried("no_content_of_the_user", [user("(no content)")]),
    Carried("most_media", [user(*pictures(100), "?")]),
    Carried("most_media_for_a_new_model", [user(*pictures(600), "?")], {"model": NEW_MODEL}),
    Carried("assistant_first", [user(), assistant("Hello."), user("?")], is_guarded=False),
    Carried("assistant_last", [user("?"), assistant("1, 2, "), user()], is_guarded=False),
    Carried("assistant_last_behind_a_result", [*says(use("t1")), assistant(thought("a"), "So"), user()], {"model": NEW_MODEL}, is_guarded=False),
]  # fmt: skip


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneProcess]:
    with one_process(tmp_path_factory.mktemp("cli")) as found:
        yield found


@pytest.mark.parametrize("case", ALTERED, ids=lambda case: case.name)
def test_the_cli_alters(cli: OneProcess, case: Altered) -> None:
    assert case.arrives != comparable(case.given), "this case shows nothing"
    assert cli.arrives(turn(*case.given, **case.fields)).messages == case.arrives


def test_each_reason_that_is_the_clis_is_shown() -> None:
    reasons = {item.value for item in Refusal if item.category is Category.CLI}
    assert reasons <= {case.name for case in ALTERED}


@pytest.mark.parametrize("case", CARRIED, ids=lambda case: case.name)
def test_the_cli_carries(cli: OneProcess, case: Carried) -> None:
    found = cli.arrives(turn(*case.given, **case.fields), is_guarded=case.is_guarded)
    assert found.messages == [message for message in comparable(case.given) if message["content"]]
    assert found.system == [SYSTEM]
    assert found.is_clean


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "custom"},
        {"defer_loading": True},
        {"strict": True, "eager_input_streaming": True},
        {"input_examples": [{"city": "Bern"}], "allowed_callers": ["direct"]},
        {"x": [1.5, None], **CACHED},
    ],
    ids=",".join,
)
def test_the_cli_carries_fields_of_tools(cli: OneProcess, fields: dict[str, Any]) -> None:
    tools = [{**TOOL, **fields}, {"type": "web_search_20250305", "name": "web_search"}]
    assert cli.arrives(turn(user("?"), parameters={"tools": tools})).body["tools"] == tools


def test_the_cli_rounds_large_numbers_in_parameters(cli: OneProcess) -> None:
    assert cli.arrives(turn(user("?"), parameters={"top_k": 2**53 + 1})).body["top_k"] == 2**53


def test_an_effort_leaves_no_message(cli: OneProcess) -> None:
    asked = turn(user("?"), model=NEW_MODEL, parameters={"output_config": {"effort": "low"}})
    found = cli.arrives(asked)
    assert found.body["output_config"] == {"effort": "low"}
    assert found.messages == [user("?")]


@pytest.mark.parametrize("count", [0, 6])
def test_the_cli_adds_three_breakpoints_and_counts_none(cli: OneProcess, count: int) -> None:
    texts = [text("?", **CACHED)] * count
    found = cli.arrives(turn(user(*texts, "?"), system_cache="5m"))
    system = [block.get("cache_control") is not None for block in found.body["system"]]
    assert system == [False, True, True]
    assert found.messages == [user(*texts, text("?", **CACHED))]


@pytest.mark.parametrize("beta", sorted(DROPPED_BETAS))
def test_the_cli_drops_a_beta_of_its_own(cli: OneProcess, beta: str) -> None:
    asked = turn(user("?"), betas=(beta, "files-api-2025-04-14"))
    assert cli.arrives(asked).betas & {*asked.betas} == {"files-api-2025-04-14"}


def test_the_cli_takes_the_first_boundary_of_a_prompt(cli: OneProcess) -> None:
    prompt = f"a\n {BOUNDARY}\nb\n{BOUNDARY}"
    found = cli.arrives(turn(user("?"), system=prompt))
    assert found.system == [f"a\n\n\n\nb\n{BOUNDARY}"]


@pytest.mark.parametrize(
    ("place", "prompt"),
    [
        (0, "x-anthropic-billing-header: a\n\nBe brief."),
        (1, "You are Claude Code, Anthropic's official CLI for Claude."),
    ],
    ids=["billing_prompt", "identity_prompt"],
)
def test_a_prompt_takes_the_place_of_the_clis_own(
    cli: OneProcess, place: int, prompt: str
) -> None:
    found = cli.arrives(turn(user("?"), system=prompt))
    assert found.own_system[place] == prompt
    assert found.system == []


def test_an_assistant_first_without_an_empty_message_stays(cli: OneProcess) -> None:
    """The process says that it has rewound all, and has not."""
    cli.arrives(turn(assistant("Hello."), user("?")))
    found = cli.arrives(turn(user("?")), is_last=True)
    assert found.messages == [assistant("Hello."), user("?")]
