"""What a client says by OpenAI's chat completions, as `responses.py` has it of responses."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from tests.agents.recorded import Exchange
from tests.agents.responses import Said, plain, unmatched
from trioproxy.standin import RecordedRequest


def asked(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """Those that asked for an answer of the model."""
    path = "/chat/completions"
    return [one for one in exchanges if one.method == "POST" and one.path.endswith(path)]


def lost(exchanges: Sequence[Exchange], arrived: Sequence[RecordedRequest]) -> list[str]:
    """What the API was asked that no client has said in these words, or the other way round."""
    return unmatched({one.number: _said(one.body) for one in exchanges}, arrived)


def _said(body: Mapping[str, Any]) -> list[Said]:
    prompts = [_text(one["content"]) for one in body["messages"] if one["role"] == "system"]
    others = [one for one in body["messages"] if one["role"] != "system"]
    system = ("system", "\n\n".join(prompts))
    return [system, *(said for message in others for said in _of_message(message))]


def _of_message(message: Mapping[str, Any]) -> Iterator[Said]:
    if message["role"] == "tool":
        yield ("result", message["tool_call_id"], _text(message["content"]))
        return
    if text := _text(message["content"]):
        yield ("text", text)
    for call in message.get("tool_calls", ()):
        yield ("call", call["id"], plain(orjson.loads(call["function"]["arguments"])))


def _text(content: str | Sequence[Mapping[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "\n\n".join(str(part["text"]) for part in content)
