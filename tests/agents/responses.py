"""What a client says by OpenAI's responses, and what of it reaches the API.

Such a client cannot ask the stand-in straight, so what it says is held against what arrives: each
text, thought, call and result once, in the order of the input.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import orjson

from tests.agents.recorded import Exchange
from trioproxy.dialects.openai.items import SUMMARIZE
from trioproxy.standin import RecordedRequest

Said: TypeAlias = tuple[str, ...]
"""A kind, and what is said: one text, thought, call or result."""

_OWN_SYSTEM = 2  # blocks of the CLI's own before the caller's prompt


def asked(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """Those that asked for a response, or to compact a conversation."""
    paths = ("/responses", "/responses/compact")
    return [
        exchange
        for exchange in exchanges
        if exchange.method == "POST" and exchange.path.endswith(paths)
    ]


def lost(exchanges: Sequence[Exchange], arrived: Sequence[RecordedRequest]) -> list[str]:
    """What the API was asked that no client has said in these words, or the other way round."""
    return unmatched({exchange.number: spoken(exchange.body) for exchange in exchanges}, arrived)


def unmatched(sent: Mapping[int, list[Said]], arrived: Sequence[RecordedRequest]) -> list[str]:
    """Where what a client says, by the number of its request, is not what reached the API."""
    left = [_arrived(item.body) for item in arrived]
    found = []
    for number, given in sent.items():
        if given in left:
            left.remove(given)
            continue
        nearest = max(left, key=lambda item: _alike(given, item), default=[])
        at = _alike(given, nearest)
        found.append(f"request {number}, part {at}: {given[at:][:2]} became {nearest[at:][:2]}")
    return found


def _alike(element: Sequence[Said], other: Sequence[Said]) -> int:
    """How many parts are the same from the first on."""
    pairs = enumerate(zip(element, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(element), len(other)))


def spoken(body: Mapping[str, Any]) -> list[Said]:
    """What an input says; instructions come first, wherever they stand."""
    prompt = [body["instructions"]] if body.get("instructions") else []
    found: list[Said] = []
    for item in body["input"]:
        if item.get("role") in {"developer", "system"} and "content" in item:
            prompt.append("\n\n".join(part["text"] for part in _parts(item)))
        else:
            found += _of_item(item)
    return [("system", "\n\n".join(prompt)), *found]


def _of_item(item: Mapping[str, Any]) -> Iterator[Said]:  # noqa: C901 - a case an item
    match item.get("type", "message"):
        case "message":
            for part in _parts(item):
                yield ("image" if "image_url" in part else "text", _part(part))
        case "reasoning":
            if item.get("encrypted_content"):  # else it is left out, with a note
                yield ("thought",)
        case "function_call":
            yield ("call", item["call_id"], plain(orjson.loads(item["arguments"])))
        case "custom_tool_call":
            yield ("call", item["call_id"], plain({"input": item["input"]}))
        case "tool_search_call":
            yield ("call", item["call_id"], plain(item["arguments"]))
        case "function_call_output" | "custom_tool_call_output":
            yield ("result", item["call_id"], _text(item["output"]))
        case "tool_search_output":
            names = [
                f"{space['name']}__{tool['name']}"
                for space in item["tools"]
                for tool in space["tools"]
            ]
            yield ("result", item["call_id"], f"These tools can be called now: {', '.join(names)}")
        case "compaction_trigger":
            yield ("text", SUMMARIZE)
        case "compaction":
            sealed = item["encrypted_content"].partition(":")[2]
            summary = orjson.loads(base64.b64decode(sealed))["summary"]
            yield ("text", f"This is a summary of the conversation so far:\n\n{summary}")
        case _:
            pass  # what only OpenAI's own servers do


def _parts(item: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The content of a message, which may be one text."""
    content: Any = item["content"]
    return [{"text": content}] if isinstance(content, str) else content


def _arrived(body: Mapping[str, Any]) -> list[Said]:
    prompt = "\n\n".join(block["text"] for block in body["system"][_OWN_SYSTEM:])
    found: list[Said] = [("system", prompt)]
    for message in body["messages"]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for block in blocks:
            match block["type"]:
                case "text":
                    found.append(("text", block["text"]))
                case "image":
                    found.append(("image", _part(block)))
                case "thinking":
                    found.append(("thought",))
                case "tool_use":
                    found.append(("call", block["id"], plain(block["input"])))
                case "tool_result":
                    found.append(("result", block["tool_use_id"], _text(block["content"])))
                case other:
                    found.append((other,))
    return found


def plain(value: object) -> str:
    """JSON in which the order of the fields makes no difference."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "\n".join(map(_part, value))


def _part(part: Mapping[str, Any]) -> str:
    """A text, or the data of an image."""
    match part:
        case {"text": str(text)}:
            return text
        case {"image_url": str(url)}:
            return url.rpartition(",")[2]
        case _:
            return str(part["source"]["data"])
