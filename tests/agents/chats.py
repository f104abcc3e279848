"""What a client says by OpenAI's chat completions, as `responses.py` has it of responses."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from tests.agents.recorded import Exchange
from tests.agents.responses import Said, plain, spoken, unmatched
from trioproxy.dialects.openai.conversation import GO_ON
from trioproxy.standin import RecordedRequest

_SYSTEM = {"system", "developer"}


def asked(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """Those that asked for an answer of the model."""
    path = "/chat/completions"
    return [
        exchange
        for exchange in exchanges
        if exchange.method == "POST" and exchange.path.endswith(path)
    ]


def lost(exchanges: Sequence[Exchange], arrived: Sequence[RecordedRequest]) -> list[str]:
    """What the API was asked that no client has said in these words, or the other way round."""
    return unmatched({exchange.number: _said(exchange.body) for exchange in exchanges}, arrived)


def _said(body: Mapping[str, Any]) -> list[Said]:
    if "input" in body:  # a client may send the body of a response here
        return spoken(body)
    prompts = [_text(item["content"]) for item in body["messages"] if item["role"] in _SYSTEM]
    others = [item for item in body["messages"] if item["role"] not in _SYSTEM]
    system = ("system", "\n\n".join(prompts))
    found = [system, *(sent for message in others for sent in _of_message(message))]
    return [*found, ("text", GO_ON)] if others[-1]["role"] == "assistant" else found


def _of_message(message: Mapping[str, Any]) -> Iterator[Said]:
    if message["role"] == "tool":
        yield ("result", message["tool_call_id"], _text(message["content"]))
        return
    content: Any = message.get("content") or ""
    parts: Any = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for part in parts:
        yield from _of_part(part)
    for call in message.get("tool_calls") or ():
        if "custom" in call:
            yield ("call", call["id"], plain({"input": call["custom"]["input"]}))
        else:
            yield ("call", call["id"], plain(orjson.loads(call["function"]["arguments"])))


def _of_part(part: Mapping[str, Any]) -> Iterator[Said]:
    """OpenAI's parts, and Claude's blocks."""
    match part["type"]:
        case "text" if part["text"].strip():
            yield ("text", part["text"])
        case "image_url":
            yield ("image", part["image_url"]["url"].rpartition(",")[2])
        case "image":
            yield ("image", part["source"]["data"])
        case "tool_use":
            yield ("call", part["id"], plain(part["input"]))
        case "tool_result":
            yield ("result", part["tool_use_id"], _text(part["content"]))
        case _:
            pass


def _text(content: str | Sequence[Mapping[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "\n\n".join(str(part["text"]) for part in content)
