"""Chat completions: what a request means, and how its answer is told, whole or chunk by chunk.

message_start          role
text_delta             content
tool_use begins        tool_calls: id and name
input_json_delta       tool_calls: a piece of the arguments
message_delta          finish_reason, and the usage if it was asked for
message_stop           [DONE]
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from attrs import define, evolve, field, frozen

from trioproxy.claude.models import Models
from trioproxy.claude.turn import Event
from trioproxy.dialects import sse
from trioproxy.dialects.anthropic import MessagesRequest, Rules, read_object
from trioproxy.dialects.checks import an_object, by_type, is_object, is_string
from trioproxy.dialects.openai import asking
from trioproxy.dialects.openai.conversation import Conversation, read_chat
from trioproxy.dialects.openai.errors import error_body
from trioproxy.dialects.openai.parameters import CHAT, checked
from trioproxy.dialects.whole import WholeAnswer
from trioproxy.errors import TrioproxyError

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


@frozen
class ChatRequest:
    """A chat completion as a Messages request, and whether its stream tells the usage."""

    messages: MessagesRequest
    has_usage: bool = False


def parse_chat(
    body: bytes, *, models: Models, mapped: Mapping[str, str], rules: Rules
) -> ChatRequest:
    """Read a request body. Raises `InvalidRequest` or `UnknownModel`."""
    data, notes = checked(read_object(body), CHAT)
    talk = read_chat(data.get("messages"))
    limit = "max_completion_tokens" if "max_completion_tokens" in data else "max_tokens"
    found, noted = asking.sampling(data, limit)
    if "stop" in data:
        found["stop_sequences"] = asking.stop_sequences(data["stop"], "stop")
    found |= asking.tools(data, {}, "function")
    found |= asking.output(data.get("reasoning_effort"), _form(data, talk))
    renamed = {"max_tokens": limit, "system": "messages"}
    request = asking.messages_request(
        data, talk, found, renamed, models=models, mapped=mapped, rules=rules
    )
    notes += (*talk.notes, *noted, *request.notes)
    has_usage = data.get("stream_options", {}).get("include_usage", False)
    return ChatRequest(evolve(request, notes=notes), has_usage)


_PLAIN = an_object({"type": is_string})
_FORMAT = by_type(
    {
        "text": _PLAIN,
        "json_object": _PLAIN,
        "json_schema": an_object({"type": is_string, "json_schema": is_object}),
    }
)


def _form(data: Mapping[str, Any], talk: Conversation) -> Mapping[str, Any] | None:
    form = data.get("response_format")
    if form is None:
        return None
    _FORMAT(form, "response_format")
    if form["type"] == "json_schema":
        path = "response_format.json_schema"
        return asking.schema_at(form.get("json_schema"), path, talk)
    if form["type"] == "json_object":
        asking.json_only(talk)
    return None


# -- The answer ----------------------------------------------------------------------------------


def usage(counted: Mapping[str, Any]) -> dict[str, Any]:
    """The API's usage in OpenAI's terms: what was read from the cache is part of the prompt."""
    cached = counted.get("cache_read_input_tokens") or 0
    made = counted.get("cache_creation_input_tokens") or 0
    prompt = (counted.get("input_tokens") or 0) + cached + made
    completion = counted.get("output_tokens") or 0
    thought = (counted.get("output_tokens_details") or {}).get("thinking_tokens") or 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }


def finish_reason(stop_reason: object) -> str:
    """Why an answer ended, in OpenAI's terms."""
    return _FINISH.get(str(stop_reason), "stop")


def completion(answer: WholeAnswer, now: int) -> dict[str, Any]:
    """A whole answer as a chat completion; `now`: seconds since 1970."""
    message = answer.message
    text = "".join(block["text"] for block in message["content"] if block["type"] == "text")
    reason = finish_reason(message.get("stop_reason"))
    whole = len(message["content"]) - (reason == "length")  # blocks; the last one may be cut
    calls = [
        _tool_call(block, answer.inputs.get(index) or "{}" * (index < whole))
        for index, block in enumerate(message["content"])
        if block["type"] == "tool_use"
    ]
    is_refusal = message.get("stop_reason") == "refusal"
    said: dict[str, Any] = {
        "role": "assistant",
        "content": text or None,
        "refusal": refusal(message) if is_refusal else None,
    }
    if calls:
        said["tool_calls"] = calls
    choice = {
        "index": 0,
        "message": said,
        "logprobs": None,
        "finish_reason": reason,
    }
    return {
        "id": f"chatcmpl-{message['id']}",
        "object": "chat.completion",
        "created": now,
        "model": message["model"],
        "choices": [choice],
        "usage": usage(message.get("usage") or {}),
    }


def refusal(message: Mapping[str, Any]) -> str:
    """Why the model has refused, as far as the API says."""
    details = message.get("stop_details") or {}
    return str(details.get("explanation") or "The model has refused to answer.")


def _tool_call(block: Mapping[str, Any], arguments: str) -> dict[str, Any]:
    function = {"name": block["name"], "arguments": arguments}
    return {"id": block["id"], "type": "function", "function": function}


@define(eq=False)
class ChatStream:
    """The chunks of one answer. `now`: seconds since 1970."""

    now: int
    has_usage: bool = False
    _head: dict[str, Any] = field(factory=dict, init=False)
    _usage: dict[str, Any] = field(factory=dict, init=False)
    _calls: dict[int, int] = field(factory=dict, init=False)
    _has_input: set[int] = field(factory=set, init=False)

    def events(self, batch: Iterable[Event]) -> bytes:
        """The chunks that these events become, as they are sent."""
        return b"".join(sse.encode_data(one) for event in batch for one in self._chunks(event))

    def ping(self) -> bytes:
        """A sign of life: a comment, which clients pass over."""
        return b": ping\n\n"

    def end(self) -> bytes:
        """What ends the stream."""
        return b"data: [DONE]\n\n"

    def failed(self, error: TrioproxyError, request_id: str) -> bytes:
        """What is sent when the answer breaks off."""
        return sse.encode_data(error_body(error, request_id))

    def whole(self, answer: WholeAnswer) -> bytes:
        """The whole answer."""
        return orjson.dumps(completion(answer, self.now))

    def _chunks(self, event: Event) -> list[dict[str, Any]]:
        match event["type"]:
            case "message_start":
                return self._start(event["message"])
            case "content_block_start":
                return [*self._close(), *self._open(event["index"], event["content_block"])]
            case "content_block_delta":
                return self._delta(event["index"], event["delta"])
            case "message_delta":
                return self._finish(event)
            case _:
                return []

    def _start(self, message: Mapping[str, Any]) -> list[dict[str, Any]]:
        self._usage = {**(message.get("usage") or {})}
        self._head = {
            "id": f"chatcmpl-{message['id']}",
            "object": "chat.completion.chunk",
            "created": self.now,
            "model": message.get("model"),
        }
        return [self._chunk({"role": "assistant", "content": "", "refusal": None})]

    def _open(self, index: int, block: Mapping[str, Any]) -> list[dict[str, Any]]:
        if block["type"] != "tool_use":
            return []
        at = self._calls[index] = len(self._calls)
        function = {"name": block["name"], "arguments": ""}
        call = {"index": at, "id": block["id"], "type": "function", "function": function}
        return [self._chunk({"tool_calls": [call]})]

    def _delta(self, index: int, delta: Mapping[str, Any]) -> list[dict[str, Any]]:
        if delta["type"] == "text_delta":
            return [self._chunk({"content": delta["text"]})]
        is_input = delta["type"] == "input_json_delta" and delta["partial_json"]
        if is_input and index in self._calls:  # and not a tool of the API's own
            self._has_input.add(index)
            return [self._arguments(index, delta["partial_json"])]
        return []

    def _close(self) -> list[dict[str, Any]]:
        # A call without arguments streams none, but a client reads JSON. Not so when it was cut
        # before its arguments came, which is known only from what follows the block.
        bare = self._calls.keys() - self._has_input
        self._has_input |= bare
        return [self._arguments(index, "{}") for index in bare]

    def _arguments(self, index: int, piece: str) -> dict[str, Any]:
        call = {"index": self._calls[index], "function": {"arguments": piece}}
        return self._chunk({"tool_calls": [call]})

    def _finish(self, event: Event) -> list[dict[str, Any]]:
        self._usage |= {k: v for k, v in (event.get("usage") or {}).items() if v is not None}
        reason = finish_reason(event["delta"].get("stop_reason"))
        chunks = [] if reason == "length" else self._close()
        if reason == "content_filter":
            chunks.append(self._chunk({"refusal": refusal(event["delta"])}))
        chunks.append(self._chunk({}, reason))
        if self.has_usage:
            last = {**self._head, "choices": [], "usage": usage(self._usage)}
            chunks.append(last)
        return chunks

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        chunk = {**self._head, "choices": [choice]}
        return {**chunk, "usage": None} if self.has_usage else chunk
