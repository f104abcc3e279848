"""What a request for a response means, and one to compact a conversation."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from attrs import evolve, field, frozen

from trioproxy.dialects.anthropic.request import MessagesRequest, RequestDefaults, read_object
from trioproxy.dialects.json_checks import (
    an_object,
    anything,
    by_type,
    is_blank,
    is_object,
    is_string,
    nullable,
    one_of,
)
from trioproxy.dialects.openai import messages_request
from trioproxy.dialects.openai.conversation import Conversation
from trioproxy.dialects.openai.items import SUMMARIZE, read_input
from trioproxy.dialects.openai.parameters import COMPACT, EFFORTS, RESPONSES, checked
from trioproxy.dialects.openai.tools import Toolbox

_ENCRYPTED = "reasoning.encrypted_content"
_SOURCES = "web_search_call.action.sources"
_REASONING = an_object(
    {
        "effort": nullable(one_of(*EFFORTS)),
        "summary": anything,
        "generate_summary": anything,
        "context": anything,
        "mode": nullable(is_string),
    }
)


@frozen
class ResponsesRequest:
    """A request for a response, as a Messages request, and what the response repeats of it.

    `has_thoughts`, `has_sources`: whether the response contains these. `wants_summary`: it is a
    summary to continue the conversation with; `kept`: the user's messages that the compact
    endpoint returns beside it.
    """

    messages: MessagesRequest
    echo: Mapping[str, Any]
    has_thoughts: bool
    tools: Toolbox = field(factory=Toolbox, kw_only=True)
    has_sources: bool = field(default=False, kw_only=True)
    wants_summary: bool = field(default=False, kw_only=True)
    kept: tuple[dict[str, Any], ...] = field(default=(), kw_only=True)


def parse_responses(
    body: bytes,
    *,
    mapped: Mapping[str, str],
    rules: RequestDefaults,
    can_search: bool = False,
    is_cached: bool = False,
) -> ResponsesRequest:
    """Read a request body. Raises `InvalidRequest`.

    `can_search`: whether the model may search the web; `is_cached`: whether a request gets cache
    breakpoints.
    """
    return read_responses(
        read_object(body), mapped=mapped, rules=rules, can_search=can_search, is_cached=is_cached
    )


def read_responses(
    given: dict[str, Any],
    *,
    mapped: Mapping[str, str],
    rules: RequestDefaults,
    can_search: bool = False,
    is_cached: bool = False,
) -> ResponsesRequest:
    """Read the JSON object of a request, as `parse_responses` does."""
    data, notes = checked(given, RESPONSES)
    read = partial(
        messages_request.messages_request, mapped=mapped, rules=rules, is_cached=is_cached
    )
    asked = _read(data, Toolbox(can_search, data.get("max_tool_calls")), read)
    notes += asked.messages.notes
    return evolve(asked, messages=evolve(asked.messages, notes=notes), echo=_echo(given))


def parse_compact(
    body: bytes,
    *,
    mapped: Mapping[str, str],
    rules: RequestDefaults,
    can_search: bool = False,
    is_cached: bool = False,
) -> ResponsesRequest:
    """Read the body of a request to compact a conversation; all else as `parse_responses`."""
    data, notes = checked(read_object(body), COMPACT)
    read = partial(
        messages_request.messages_request, mapped=mapped, rules=rules, is_cached=is_cached
    )
    items = data.get("input")
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    if isinstance(items, list):
        data["input"] = [*items, {"type": "compaction_trigger"}]
    asked = _read(data, Toolbox(can_search, data.get("max_tool_calls")), read)
    assert isinstance(items, list)
    notes += asked.messages.notes
    kept = tuple(_users(items))
    return evolve(asked, messages=evolve(asked.messages, notes=notes), kept=kept)


def _users(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The user's messages of an input, which is checked, as items of an output."""
    for index, item in enumerate(items):
        if (item.get("type") or "message") == "message" and item["role"] == "user":
            text = item["content"]
            content = [{"type": "input_text", "text": text}] if isinstance(text, str) else text
            about = {"type": "message", "id": f"msg_{index}", "status": "completed"}
            given = {name: value for name, value in item.items() if value is not None}
            yield {**about, **given, "content": content}


def _read(
    data: Mapping[str, Any], tools: Toolbox, read: Callable[..., MessagesRequest]
) -> ResponsesRequest:
    """The request that checked parameters are. `read`: makes one of the Messages API of them."""
    tools.add(data.get("tools", []), "tools")
    conversation_input = read_input(data.get("input"), tools)
    conversation = conversation_input.conversation
    if not is_blank(data.get("instructions", "")):
        conversation.system.insert(0, data["instructions"])
    found, noted = messages_request.sampling(data, "max_output_tokens")
    _REASONING(data.get("reasoning", {}), "reasoning")
    effort = data.get("reasoning", {}).get("effort")
    form, choice = _form(data, conversation), data.get("tool_choice")
    if conversation_input.wants_summary:  # of what was said, and not an answer to it
        conversation.say("user", [{"type": "text", "text": SUMMARIZE}], "input")
        form, choice = None, "none"
    found |= tools.chosen(choice, in_parallel=data.get("parallel_tool_calls", True))
    found |= messages_request.output(effort, form)
    renamed = {"max_tokens": "max_output_tokens", "messages": "input", "system": "instructions"}
    request = read(data, conversation, tools, found, renamed)
    noted += messages_request.effort_notes(effort, "reasoning.effort")
    notes = (*conversation.notes, *tools.notes, *noted, *_idle(data, tools), *request.notes)
    include = data.get("include", ())
    return ResponsesRequest(
        evolve(request, notes=notes),
        {},
        _ENCRYPTED in include,
        tools=tools,
        has_sources=_SOURCES in include,
        wants_summary=conversation_input.wants_summary,
    )


_INCLUDED = {
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    "message.output_text.logprobs",
    "web_search_call.action.sources",
    "web_search_call.results",
}
"""What OpenAI's API takes in `include`, and nothing here has."""


def _idle(data: Mapping[str, Any], tools: Toolbox) -> Iterator[str]:
    """Notes of the parts of parameters that have no effect."""
    if "max_tool_calls" in data and not tools.has_search:
        yield "max_tool_calls without effect: there is no web search"
    if data.get("text", {}).get("verbosity") not in (None, "medium"):
        yield "text.verbosity without effect: Claude has none"
    if data.get("reasoning", {}).get("mode") not in (None, "standard"):
        yield "reasoning.mode without effect: Claude has none"
    if data.get("reasoning", {}).get("context") not in (None, "auto", "all_turns"):
        yield "reasoning.context without effect: the API decides what it keeps of thoughts"
    for name in ("summary", "generate_summary"):
        if data.get("reasoning", {}).get(name) not in (None, "auto"):
            yield f"reasoning.{name} without effect: Claude has no summaries"
    honoured = {_ENCRYPTED, *([_SOURCES] if tools.has_search else [])}
    for name in data.get("include", ()):
        if name not in honoured:
            shown = f"{name} is not available" if name in _INCLUDED else "an unknown name"
            yield f"include without effect: {shown}"


_PLAIN = an_object({"type": is_string})
_FORMAT = by_type({"text": _PLAIN, "json_object": _PLAIN, "json_schema": is_object})
_TEXT = an_object({"format": nullable(_FORMAT), "verbosity": nullable(is_string)})


def _form(data: Mapping[str, Any], conversation: Conversation) -> Mapping[str, Any] | None:
    _TEXT(data.get("text", {}), "text")
    form = data.get("text", {}).get("format")
    if form is not None and form["type"] == "json_schema":
        return messages_request.schema_at(form, "text.format", conversation)
    if form is not None and form["type"] == "json_object":
        messages_request.json_only(conversation)
    return None


def _echo(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a response that repeat the request, or say what is assumed."""
    assumed: dict[str, Any] = {
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "reasoning": {"effort": None, "summary": None},
        "user": None,
    }
    repeated = {k: v for k, v in given.items() if k in assumed and v is not None}
    fixed = {"previous_response_id": None, "store": False, "background": False}
    return {**assumed, **repeated, **fixed}
