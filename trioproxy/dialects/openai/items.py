"""The input of a response as the messages of a Messages request.

Items stand one behind the other where a chat nests them: a call of a function is an item, its
output another. What the model thought comes back as `reasoning` items, whose `encrypted_content`
is the API's own block, signature and all: see `sealed`.
"""

import base64
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import orjson
from attrs import define, field

from trioproxy.dialects.anthropic.names import is_name_of_any_form
from trioproxy.dialects.json_checks import (
    an_object,
    anything,
    is_blank,
    is_deep,
    is_object,
    is_string,
    is_word,
    kind,
    one_of,
    short,
)
from trioproxy.dialects.openai.caching import last_mark, mark_of, marked
from trioproxy.dialects.openai.conversation import Conversation
from trioproxy.dialects.openai.parts import arguments, detail_notes, file_block, image_block
from trioproxy.dialects.openai.tools import TEXT, Kind, Tool, Toolbox
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

_SEAL = "trioproxy-thinking-1:"
_SUMMARY_SEAL = "trioproxy-summary-1:"
_THOUGHTS = ("thinking", "redacted_thinking")
_DEPTH = 200
_ROLES = ("user", "assistant", "system", "developer")

SUMMARIZE = (
    "Write a summary of this conversation for another assistant, who goes on with it and sees "
    "nothing of it but your summary. Say what the user wants, in their own words where these "
    "matter; what has been done and decided, and why; the names of files, commands and results "
    "that are needed again; and what is still to be done. Answer with the summary alone."
)
_SUMMARY = "This is a summary of the conversation so far:\n\n{}"

# What the tools of others have done, or what only they can read. Each is passed over, with a note.
_PASSED_OVER = {
    "web_search_call": "Claude cannot be shown it again",
    "configuration_update": "what the request itself says counts",
    **dict.fromkeys(
        (
            "apply_patch_call", "apply_patch_call_output", "code_interpreter_call",
            "computer_call", "computer_call_output", "file_search_call", "image_generation_call",
            "mcp_approval_request", "mcp_approval_response", "mcp_call", "mcp_list_tools",
            "program", "program_output", "shell_call", "shell_call_output",
        ),
        "there is no such tool",
    ),
}  # fmt: skip

_CALLS: Mapping[str, Kind] = {
    "function_call": "function",
    "custom_tool_call": "custom",
    "local_shell_call": "local_shell",
    "tool_search_call": "tool_search",
}
_FIELDS_OF_CALLS: Mapping[Kind, tuple[str, ...]] = {
    "function": ("arguments", "name"),
    "custom": ("input", "name"),
    "local_shell": ("action",),
    "tool_search": ("arguments",),
}


@define(eq=False)
class Input:
    """What the input of a response says. `wants_summary`: a `compaction_trigger` is in it.

    `tools` are those of the request, and those that come with the conversation.
    """

    tools: Toolbox
    conversation: Conversation = field(factory=Conversation, init=False)
    wants_summary: bool = field(default=False, init=False)
    shell_calls: dict[str, str] = field(factory=dict, init=False)  # by the id of the item


def read_input(value: object, tools: Toolbox) -> Input:
    """Read the `input` of a response, and the tools in it. Raises `InvalidRequest`."""
    found = Input(tools)
    if isinstance(value, str):
        found.conversation.say("user", [{"type": "text", "text": value}], "input")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _read(item, f"input.{index}", found)
        found.conversation.leave_out_bare_thoughts()
    else:
        shown = "missing" if value is None else kind(value)
        raise InvalidRequest(
            Refusal.WRONG_TYPE, f"must be a string or a list, not {shown}", path="input"
        )
    return found


def sealed(block: Mapping[str, Any]) -> str:
    """A thought as the `encrypted_content` of a reasoning item."""
    return _SEAL + base64.b64encode(orjson.dumps(dict(block))).decode()


def sealed_summary(text: str) -> str:
    """A summary as the `encrypted_content` of a compaction item."""
    return _SUMMARY_SEAL + base64.b64encode(orjson.dumps({"summary": text})).decode()


def _unsealed(text: object, seal: str) -> dict[str, Any] | None:
    """What this server has sealed; None: another has, or nobody."""
    if not isinstance(text, str) or not text.startswith(seal):
        return None
    with suppress(ValueError):  # neither base64 nor JSON
        found = orjson.loads(base64.b64decode(text.removeprefix(seal), validate=True))
        if isinstance(found, dict) and not is_deep(found, _DEPTH):
            return found
    return None


_REFERENCE = "item_reference"  # its type may be left out


def _read(item: object, path: str, into: Input) -> None:
    is_object(item, path)
    assert isinstance(item, dict)
    type_ = item.get("type")
    if type_ is None:
        type_ = "message" if "role" in item or "id" not in item else _REFERENCE
    if type_ == _REFERENCE:
        raise InvalidRequest(
            Refusal.STORED_STATE, "nothing is stored: send the item itself", path=path
        )
    known = isinstance(type_, str) and _READERS.get(type_)
    if not known:
        shown = type_ if isinstance(type_, str) else kind(type_)
        reason = f"not supported by this server: {short(shown)}"
        raise InvalidRequest(Refusal.CONTENT_KIND, reason, path=f"{path}.type")
    for name in ("caller", "async"):
        if item.get(name) not in (None, False, {"type": "direct"}):
            into.conversation.notes.append(f"{path}.{name} without effect: the model has called")
    known(item, path, into)


def _pass_over(item: Mapping[str, Any], path: str, into: Input) -> None:
    name = item["type"]
    into.conversation.notes.append(f"{path}: {name} left out: {_PASSED_OVER[name]}")


def _read_trigger(_item: Mapping[str, Any], _path: str, into: Input) -> None:
    into.wants_summary = True


def _read_tools(item: Mapping[str, Any], path: str, into: Input) -> None:
    into.tools.add(item.get("tools"), f"{path}.tools")


def _read_call(item: Mapping[str, Any], path: str, into: Input) -> None:
    type_ = _CALLS[item["type"]]
    if type_ == "tool_search" and item.get("execution") == "server":
        return  # all tools are available from the start
    _require(item, _FIELDS_OF_CALLS[type_], path)
    call_id = item.get("call_id") or item.get("id")
    is_word(call_id, f"{path}.call_id")
    name: object = type_
    match type_:
        case "function":
            name = item["name"]
            given = arguments(item["arguments"], f"{path}.arguments")
        case "custom":
            name = item["name"]
            is_string(item["input"], f"{path}.input")
            given = {TEXT: item["input"]}
        case "local_shell":
            is_object(item["action"], f"{path}.action")
            into.shell_calls[str(item.get("id"))] = str(call_id)
            action = item["action"].items()
            given = {k: v for k, v in action if k != "type" and v not in (None, {})}
        case "tool_search":
            given = item["arguments"] or {}
            is_object(given, f"{path}.arguments")
    is_name_of_any_form(name, f"{path}.name")
    tool = Tool(type_, str(name), str(item.get("namespace") or ""))
    name = into.tools.name_of_call(tool)
    call = {"type": "tool_use", "id": call_id, "name": name, "input": given}
    mark = mark_of(item, path, into.conversation.notes)
    into.conversation.say("assistant", marked([call], mark), path)


def _require(item: Mapping[str, Any], names: Iterable[str], path: str) -> None:
    """Refuse an item without these fields; what else it has is the client's own."""
    for name in names:
        if name not in item:
            raise InvalidRequest(Refusal.MISSING_FIELD, "Field required", path=f"{path}.{name}")


def _read_output(item: Mapping[str, Any], path: str, into: Input) -> None:
    call_id = item.get("call_id") or into.shell_calls.get(str(item.get("id"))) or item.get("id")
    is_word(call_id, f"{path}.call_id")
    _require(item, ("output",), path)
    content = _output(item["output"], f"{path}.output", into)
    # A tool that runs on may say more of one call, as often as it likes.
    if item["type"] == "custom_tool_call_output":
        more = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if into.conversation.say_more_of_a_result(str(call_id), more, path):
            return
    result = {"type": "tool_result", "tool_use_id": call_id, "content": content}
    mark = mark_of(item, path, into.conversation.notes)
    into.conversation.say("user", marked([result], mark), path)


def _read_found_tools(item: Mapping[str, Any], path: str, into: Input) -> None:
    names = into.tools.add(item.get("tools"), f"{path}.tools")
    if item.get("execution") == "server" or item.get("call_id") is None:
        return
    is_word(item["call_id"], f"{path}.call_id")
    text = f"These tools can be called now: {', '.join(names)}" if names else "None is found."
    result = {"type": "tool_result", "tool_use_id": item["call_id"], "content": text}
    into.conversation.say("user", [result], path)


def _read_reasoning(item: Mapping[str, Any], path: str, into: Input) -> None:
    thought = _unsealed(item.get("encrypted_content"), _SEAL)
    if thought is not None and thought.get("type") in _THOUGHTS:
        into.conversation.say("assistant", [thought], path)
    elif item.get("encrypted_content") is None:
        into.conversation.notes.append(f"{path} without effect: it has no encrypted_content")
    else:
        into.conversation.notes.append(f"{path} without effect: it was not issued by this server")


def _read_summary(item: Mapping[str, Any], path: str, into: Input) -> None:
    found = _unsealed(item.get("encrypted_content"), _SUMMARY_SEAL) or {}
    if isinstance(found.get("summary"), str) and not is_blank(found["summary"]):
        text = _SUMMARY.format(found["summary"])
        into.conversation.say("user", [{"type": "text", "text": text}], path)
    else:
        into.conversation.notes.append(f"{path} without effect: it was not issued by this server")


def _read_agents(item: Mapping[str, Any], path: str, into: Input) -> None:
    """A message of another agent of the client."""
    parts = item.get("content")
    parts = parts if isinstance(parts, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    text = "\n".join(element for element in texts if isinstance(element, str))
    if is_blank(text):
        into.conversation.notes.append(f"{path} without effect: it has no text")
        return
    about = f"{item.get('author', 'An agent')} to {item.get('recipient', 'all')}"
    into.conversation.say("user", [{"type": "text", "text": f"{about}:\n{text}"}], path)


def _read_message(item: Mapping[str, Any], path: str, into: Input) -> None:
    one_of(*_ROLES)(item.get("role"), f"{path}.role")
    role = str(item["role"])
    content = item.get("content")
    blocks: list[dict[str, Any]]
    if isinstance(content, str):
        blocks = [{"type": "text", "text": content}] if content or role == "user" else []
    elif isinstance(content, list):
        blocks = _parts(content, role, f"{path}.content", into)
    else:
        shown = "missing" if content is None else kind(content)
        raise InvalidRequest(
            Refusal.WRONG_TYPE, f"must be a string or a list, not {shown}", path=f"{path}.content"
        )
    blocks = marked(blocks, mark_of(item, path, into.conversation.notes))
    if role == "assistant" and any(is_blank(block["text"]) for block in blocks):
        into.conversation.notes.append(f"{path}: blank text left out")
        blocks = [block for block in blocks if not is_blank(block["text"])]
    if role in {"system", "developer"}:
        mark = last_mark(*(block.get("cache_control") for block in blocks))
        text = "\n\n".join(block["text"] for block in blocks)
        into.conversation.instruct(text, path, mark)
    elif blocks:
        into.conversation.say(role, blocks, path)
    else:
        what = "answer" if role == "assistant" else "message"
        into.conversation.notes.append(f"{path}: empty {what} left out")


_PARTS = {
    "user": ("input_text", "input_image", "input_file"),
    "assistant": ("output_text", "refusal", "input_text"),
    "system": ("input_text",),
    "developer": ("input_text",),
}


_MARKS = {"cache_control": anything, "prompt_cache_breakpoint": anything}
_FIELDS = {
    "input_text": an_object({"type": anything, "text": is_string, **_MARKS}),
    "output_text": an_object(
        {
            "type": anything, "text": is_string, "annotations": anything, "logprobs": anything,
            "parsed": anything, **_MARKS,
        }
    ),
    "refusal": an_object({"type": anything, "refusal": is_string, **_MARKS}),
    "input_image": an_object(
        {
            "type": anything, "image_url": anything, "file_id": anything, "detail": anything,
            **_MARKS,
        }
    ),
    "input_file": an_object(
        {
            "type": anything, "file_data": anything, "file_id": anything, "file_url": anything,
            "filename": anything, "detail": anything, **_MARKS,
        }
    ),
}  # fmt: skip


def _parts(content: list[Any], role: str, path: str, into: Input) -> list[dict[str, Any]]:
    blocks = []
    for index, part in enumerate(content):
        is_object(part, f"{path}.{index}")
        block = _part(part, role, f"{path}.{index}")
        into.conversation.notes += detail_notes(part, f"{path}.{index}")
        mark = mark_of(part, f"{path}.{index}", into.conversation.notes)
        blocks += marked([block], mark)
    return blocks


def _part(part: Mapping[str, Any], role: str, path: str) -> dict[str, Any]:
    one_of(*_PARTS[role])(part.get("type"), f"{path}.type")
    _FIELDS[part["type"]](part, path)
    match part["type"]:
        case "input_image":
            if part.get("file_id") is not None:
                reason = "this server stores no files: send `image_url`"
                raise InvalidRequest(Refusal.STORED_STATE, reason, path=f"{path}.file_id")
            return image_block(part.get("image_url"), f"{path}.image_url")
        case "input_file":
            return file_block(part, path)
        case name:
            field = "refusal" if name == "refusal" else "text"
            is_string(part.get(field), f"{path}.{field}")
            return {"type": "text", "text": part[field]}


def _output(value: object, path: str, into: Input) -> Any:  # noqa: ANN401 - text or blocks
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise InvalidRequest(
            Refusal.WRONG_TYPE, f"must be a string or a list, not {kind(value)}", path=path
        )
    return _parts(value, "user", path, into)


_READERS: Mapping[str, Callable[[Mapping[str, Any], str, Input], None]] = {
    "message": _read_message,
    "agent_message": _read_agents,
    **dict.fromkeys(_CALLS, _read_call),
    "function_call_output": _read_output,
    "custom_tool_call_output": _read_output,
    "local_shell_call_output": _read_output,
    "tool_search_output": _read_found_tools,
    "additional_tools": _read_tools,
    "reasoning": _read_reasoning,
    "compaction": _read_summary,
    "compaction_summary": _read_summary,
    "context_compaction": _read_summary,
    "compaction_trigger": _read_trigger,
    **dict.fromkeys(_PASSED_OVER, _pass_over),
}
