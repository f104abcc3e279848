"""The input of a response as the messages of a Messages request.

Items stand one behind the other where a chat nests them: a call of a function is an item, its
output another. What the model thought comes back as `reasoning` items, whose `encrypted_content`
is the API's own block, signature and all: see `sealed`.
"""

import base64
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson

from trioproxy.dialects.checks import (
    an_object,
    anything,
    is_blank,
    is_deep,
    is_object,
    is_string,
    is_word,
    kind,
    one_of,
)
from trioproxy.dialects.names import is_name_of_any_form
from trioproxy.dialects.openai.conversation import Conversation
from trioproxy.dialects.openai.parts import arguments, file_block, image_block
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

_SEAL = "trioproxy-thinking-1:"
_THOUGHTS = ("thinking", "redacted_thinking")
_DEPTH = 200
_ROLES = ("user", "assistant", "system", "developer")

_CALL = an_object(
    {
        "type": anything, "id": anything, "status": anything, "call_id": is_word,
        "name": is_name_of_any_form, "arguments": is_string, "namespace": anything,
        "caller": anything, "async": anything, "async_": anything, "parsed_arguments": anything,
    },
    required={"call_id", "name", "arguments"},
)  # fmt: skip
_OUTPUT = an_object(
    {
        "type": anything, "id": anything, "status": anything, "call_id": is_word,
        "output": anything, "caller": anything,
    },
    required={"call_id", "output"},
)  # fmt: skip


def read_input(value: object) -> Conversation:
    """Read the `input` of a response. Raises `InvalidRequest`."""
    found = Conversation()
    if isinstance(value, str):
        found.say("user", [{"type": "text", "text": value}], "input")
        return found
    if not isinstance(value, list):
        shown = "missing" if value is None else kind(value)
        raise InvalidRequest(
            Refusal.WRONG_TYPE, f"must be a string or a list, not {shown}", path="input"
        )
    for index, item in enumerate(value):
        _read(item, f"input.{index}", found)
    return found


def sealed(block: Mapping[str, Any]) -> str:
    """A thought as the `encrypted_content` of a reasoning item."""
    return _SEAL + base64.b64encode(orjson.dumps(dict(block))).decode()


def _unsealed(text: str, path: str) -> dict[str, Any]:
    found: object = None
    if text.startswith(_SEAL):
        with suppress(ValueError):  # neither base64 nor JSON
            found = orjson.loads(base64.b64decode(text.removeprefix(_SEAL), validate=True))
    if not isinstance(found, dict) or found.get("type") not in _THOUGHTS or is_deep(found, _DEPTH):
        raise InvalidRequest(
            Refusal.THOUGHTS_OF_ANOTHER_SERVER, "is not of this server", path=path
        )
    return found


def _read(item: object, path: str, found: Conversation) -> None:
    is_object(item, path)
    assert isinstance(item, dict)
    match item.get("type", "message"):
        case "message":
            _read_message(item, path, found)
        case "function_call":
            _CALL(item, path)
            given = arguments(item["arguments"], f"{path}.arguments")
            call = {
                "type": "tool_use",
                "id": item["call_id"],
                "name": item["name"],
                "input": given,
            }
            found.say("assistant", [call], path)
        case "function_call_output":
            _OUTPUT(item, path)
            content = _output(item["output"], f"{path}.output")
            result = {"type": "tool_result", "tool_use_id": item["call_id"], "content": content}
            found.say("user", [result], path)
        case "reasoning":
            _read_reasoning(item, path, found)
        case "item_reference":
            raise InvalidRequest(
                Refusal.STORED_STATE, "nothing is stored: send the item itself", path=path
            )
        case other:
            shown = other if isinstance(other, str) else kind(other)
            raise InvalidRequest(
                Refusal.CONTENT_KIND, f"not supported by this server: {shown}", path=f"{path}.type"
            )


def _read_reasoning(item: Mapping[str, Any], path: str, found: Conversation) -> None:
    text = item.get("encrypted_content")
    if text is None:
        found.notes.append(f"{path} without effect: it has no encrypted_content")
        return
    is_string(text, f"{path}.encrypted_content")
    found.say("assistant", [_unsealed(text, f"{path}.encrypted_content")], path)


def _read_message(item: Mapping[str, Any], path: str, found: Conversation) -> None:
    one_of(*_ROLES)(item.get("role"), f"{path}.role")
    role = str(item["role"])
    content = item.get("content")
    if isinstance(content, str):
        blocks = [{"type": "text", "text": content}] if content or role == "user" else []
    elif isinstance(content, list):
        blocks = [_part(part, role, f"{path}.content.{i}") for i, part in enumerate(content)]
    else:
        shown = "missing" if content is None else kind(content)
        raise InvalidRequest(
            Refusal.WRONG_TYPE, f"must be a string or a list, not {shown}", path=f"{path}.content"
        )
    if role == "assistant" and any(is_blank(block["text"]) for block in blocks):
        found.notes.append(f"{path}: a blank text is left out")
        blocks = [block for block in blocks if not is_blank(block["text"])]
    if role in {"system", "developer"}:
        found.instruct("\n\n".join(block["text"] for block in blocks), path)
    elif role == "user" or blocks:
        found.say(role, blocks, path)
    else:
        found.notes.append(f"{path}: an empty answer is left out")


_PARTS = {
    "user": ("input_text", "input_image", "input_file"),
    "assistant": ("output_text", "refusal", "input_text"),
    "system": ("input_text",),
    "developer": ("input_text",),
}


_FIELDS = {
    "input_text": an_object({"type": anything, "text": is_string}),
    "output_text": an_object(
        {
            "type": anything, "text": is_string, "annotations": anything, "logprobs": anything,
            "parsed": anything,
        }
    ),
    "refusal": an_object({"type": anything, "refusal": is_string}),
    "input_image": an_object(
        {"type": anything, "image_url": anything, "file_id": anything, "detail": anything}
    ),
    "input_file": an_object(
        {
            "type": anything, "file_data": anything, "file_id": anything, "file_url": anything,
            "filename": anything, "detail": anything,
        }
    ),
}  # fmt: skip


def _part(part: object, role: str, path: str) -> dict[str, Any]:
    is_object(part, path)
    assert isinstance(part, dict)
    one_of(*_PARTS[role])(part.get("type"), f"{path}.type")
    _FIELDS[part["type"]](part, path)
    match part["type"]:
        case "input_image":
            if part.get("file_id") is not None:
                reason = "there are no stored files here: send `image_url`"
                raise InvalidRequest(Refusal.STORED_STATE, reason, path=f"{path}.file_id")
            return image_block(part.get("image_url"), f"{path}.image_url")
        case "input_file":
            return file_block(part, path)
        case name:
            field = "refusal" if name == "refusal" else "text"
            is_string(part.get(field), f"{path}.{field}")
            return {"type": "text", "text": part[field]}


def _output(value: object, path: str) -> Any:  # noqa: ANN401 - text or blocks
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise InvalidRequest(
            Refusal.WRONG_TYPE, f"must be a string or a list, not {kind(value)}", path=path
        )
    return [_part(part, "user", f"{path}.{i}") for i, part in enumerate(value)]
