"""Responses: what a request means, and how its answer is told, whole or event by event.

    message_start          response.created, response.in_progress
    a block begins         response.output_item.added (and content_part.added for text)
    text_delta             response.output_text.delta
    input_json_delta       response.function_call_arguments.delta
    what follows a block   ....done, content_part.done, output_item.done
    message_delta          response.completed, or response.incomplete
    an error               error, response.failed
    silence                response.in_progress once more

Whether a block was cut is known only from what follows it: another block, or the reason for which
the answer ends. An item is done when that is there, and not at the end of its block.

Codex counts events, and ends a stream on which it sees none; a comment is no event. So the sign of
life is the event that says that nothing has changed. Where the API's message has not begun, the
response begins without it.

Thinking becomes a `reasoning` item without words; with `include: ["reasoning.encrypted_content"]`
it can come back in the next request's input.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson
from attrs import define, evolve, field, frozen

from trioproxy.claude.models import Models
from trioproxy.claude.turn import Event
from trioproxy.dialects import sse
from trioproxy.dialects.anthropic import MessagesRequest, Rules, read_object
from trioproxy.dialects.checks import (
    an_object,
    anything,
    by_type,
    is_blank,
    is_object,
    is_string,
    nullable,
    one_of,
    short,
)
from trioproxy.dialects.openai import asking
from trioproxy.dialects.openai.chat import refusal
from trioproxy.dialects.openai.conversation import Conversation
from trioproxy.dialects.openai.errors import error_fields
from trioproxy.dialects.openai.items import read_input, sealed
from trioproxy.dialects.openai.parameters import RESPONSES, checked
from trioproxy.dialects.whole import WholeAnswer
from trioproxy.errors import TrioproxyError

_ENCRYPTED = "reasoning.encrypted_content"
_CUT = {"max_tokens": "max_output_tokens", "model_context_window_exceeded": "max_output_tokens"}
_TOOL_FIELDS = {"type": anything, "defer_loading": anything, "output_schema": anything}
_REASONING = an_object(
    {
        "effort": nullable(one_of("none", "minimal", "low", "medium", "high", "xhigh", "max")),
        "summary": anything,
        "generate_summary": anything,
        "context": anything,
    }
)


@frozen
class ResponsesRequest:
    """A response that is asked for, as a Messages request, and what it repeats of the request."""

    messages: MessagesRequest
    echo: Mapping[str, Any]
    has_thoughts: bool


def parse_responses(
    body: bytes, *, models: Models, mapped: Mapping[str, str], rules: Rules
) -> ResponsesRequest:
    """Read a request body. Raises `InvalidRequest` or `UnknownModel`."""
    given = read_object(body)
    data, notes = checked(given, RESPONSES)
    talk = read_input(data.get("input"))
    if not is_blank(data.get("instructions", "")):
        talk.system.insert(0, data["instructions"])
    found, noted = asking.sampling(data, "max_output_tokens")
    found |= asking.tools(data, _TOOL_FIELDS)
    _REASONING(data.get("reasoning", {}), "reasoning")
    found |= asking.output(data.get("reasoning", {}).get("effort"), _form(data, talk))
    renamed = {"max_tokens": "max_output_tokens", "messages": "input", "system": "instructions"}
    request = asking.messages_request(
        data, talk, found, renamed, models=models, mapped=mapped, rules=rules
    )
    notes += (*talk.notes, *noted, *_idle(data), *request.notes)
    has_thoughts = _ENCRYPTED in data.get("include", ())
    return ResponsesRequest(evolve(request, notes=notes), _echo(given), has_thoughts)


def _idle(data: Mapping[str, Any]) -> Iterator[str]:
    """Notes of the parts of parameters that have no effect."""
    if data.get("text", {}).get("verbosity") not in (None, "medium"):
        yield "text.verbosity without effect: Claude has none"
    if data.get("reasoning", {}).get("summary") not in (None, "auto"):
        yield "reasoning.summary without effect: Claude's thoughts have none"
    if others := [one for one in data.get("include", ()) if one != _ENCRYPTED]:
        yield f"include without effect: {short(', '.join(others))}"


_PLAIN = an_object({"type": is_string})
_FORMAT = by_type({"text": _PLAIN, "json_object": _PLAIN, "json_schema": is_object})
_TEXT = an_object({"format": nullable(_FORMAT), "verbosity": nullable(is_string)})


def _form(data: Mapping[str, Any], talk: Conversation) -> Mapping[str, Any] | None:
    _TEXT(data.get("text", {}), "text")
    form = data.get("text", {}).get("format")
    if form is not None and form["type"] == "json_schema":
        return asking.schema_at(form, "text.format", talk)
    if form is not None and form["type"] == "json_object":
        asking.json_only(talk)
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
    said = {k: v for k, v in given.items() if k in assumed and v is not None}
    fixed = {"previous_response_id": None, "store": False, "background": False}
    return {**assumed, **said, **fixed}


# -- The answer ----------------------------------------------------------------------------------


def usage(counted: Mapping[str, Any]) -> dict[str, Any]:
    """The API's usage in the terms of responses."""
    cached = counted.get("cache_read_input_tokens") or 0
    made = counted.get("cache_creation_input_tokens") or 0
    given = (counted.get("input_tokens") or 0) + cached + made
    said = counted.get("output_tokens") or 0
    thought = (counted.get("output_tokens_details") or {}).get("thinking_tokens") or 0
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": made},
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": given + said,
    }


@define(eq=False)
class ResponseStream:
    """The events of one answer, and the response that they make. `now`: seconds since 1970.

    A whole answer is told by the same steps, so it is the response of the last event.
    `model` and `name` are those of a response that begins before the API's message does.
    """

    now: int
    echo: Mapping[str, Any]
    has_thoughts: bool = False
    model: str = ""
    name: str = "early"
    _response: dict[str, Any] = field(factory=dict, init=False)
    _output: list[dict[str, Any]] = field(factory=list, init=False)
    _item: dict[str, Any] = field(factory=dict, init=False)
    _block: dict[str, Any] = field(factory=dict, init=False)
    _usage: dict[str, Any] = field(factory=dict, init=False)
    _sequence: int = field(default=0, init=False)

    def events(self, batch: Iterable[Event]) -> bytes:
        """The events that these become, as they are sent."""
        return sse.encode_events(told for event in batch for told in self.add(event))

    def ping(self) -> bytes:
        """A sign of life: the response as it is."""
        if not self._response:
            return sse.encode_events(self._begin(self.name, self.model))
        so_far = {**self._response, "output": [*self._output, *self._unfinished()]}
        return sse.encode_event(self._told("response.in_progress", response=so_far))

    def end(self) -> bytes:
        """What ends the stream: its last event has."""
        return b""

    def failed(self, error: TrioproxyError, _request_id: str) -> bytes:
        """What is sent when the answer breaks off: `error`, for Codex also `response.failed`.

        The reference has the fields of `error` in the event itself, and OpenAI's servers send
        them in an object of their own, which is what its packages and the AI SDK look for.
        """
        fields = error_fields(error)
        fields["code"] = fields["code"] or fields["type"]
        shown = {name: fields[name] for name in ("code", "message")}
        self._response |= {"status": "failed", "error": shown}
        told = [
            self._told("error", **shown, param=fields["param"], error=fields),
            self._told("response.failed", response=self._as_it_is()),
        ]
        return sse.encode_events(told)

    def whole(self, answer: WholeAnswer) -> bytes:
        """The whole answer, told from the events that it was made of."""
        return orjson.dumps(self.of_answer(answer))

    def of_answer(self, answer: WholeAnswer) -> dict[str, Any]:
        """A whole answer as a response."""
        message = answer.message
        self.add({"type": "message_start", "message": message})
        for index, block in enumerate(message["content"]):
            self._close()
            self._open(index, {**block, "text": ""})
            self._block = dict(block)
            if block["type"] == "tool_use":
                self._item["arguments"] = answer.inputs.get(index, "")
        self.add({"type": "message_delta", "delta": message, "usage": message.get("usage")})
        return self._as_it_is()

    def add(self, event: Event) -> list[Event]:
        """The events that one of the API's becomes."""
        match event["type"]:
            case "message_start":
                return self._start(event["message"])
            case "content_block_start":
                return [*self._close(), *self._open(event["index"], event["content_block"])]
            case "content_block_delta":
                return self._delta(event["delta"])
            case "message_delta":
                return self._finish(event)
            case _:
                return []

    def _told(self, kind: str, **fields: Any) -> Event:  # noqa: ANN401 - JSON
        self._sequence += 1
        return {"type": kind, "sequence_number": self._sequence - 1, **fields}

    def _as_it_is(self) -> dict[str, Any]:
        return {**self._response, "output": [*self._output]}

    def _start(self, message: Mapping[str, Any]) -> list[Event]:
        self._usage = {**(message.get("usage") or {})}
        if self._response:  # clients know it by its id, which stays
            self._response["model"] = message.get("model")
            return []
        return self._begin(message["id"], message.get("model"))

    def _begin(self, name: str, model: str | None) -> list[Event]:
        self._response = {
            "id": f"resp_{name}",
            "object": "response",
            "created_at": self.now,
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "model": model,
            "usage": None,
            **self.echo,
        }
        return [
            self._told("response.created", response=self._as_it_is()),
            self._told("response.in_progress", response=self._as_it_is()),
        ]

    def _open(self, index: int, block: Mapping[str, Any]) -> list[Event]:
        self._block = dict(block)
        name = f"{self._response['id'].removeprefix('resp_')}_{index}"
        match block["type"]:
            case "text":
                self._item = {"id": f"msg_{name}", "type": "message", "role": "assistant"}
                self._item |= {"status": "in_progress", "content": []}
                return [self._added(), self._part("added")]
            case "tool_use":
                self._item = {"id": f"fc_{name}", "type": "function_call", "status": "in_progress"}
                self._item |= {"call_id": block["id"], "name": block["name"], "arguments": ""}
                return [self._added()]
            case "thinking" | "redacted_thinking":
                self._item = {"id": f"rs_{name}", "type": "reasoning", "summary": []}
                return [self._added()]
            case _:
                self._item = {}
                return []

    def _added(self) -> Event:
        at = len(self._output)
        return self._told("response.output_item.added", output_index=at, item={**self._item})

    def _of_item(self) -> dict[str, Any]:
        return {"item_id": self._item["id"], "output_index": len(self._output)}

    def _part(self, how: str) -> Event:
        kind = f"response.content_part.{how}"
        return self._told(kind, **self._of_item(), content_index=0, part=self._text())

    def _text(self) -> dict[str, Any]:
        text = self._block["text"]
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}

    def _unfinished(self) -> list[dict[str, Any]]:
        """The item that is being made: a client may take a response's items for all there are."""
        if self._item.get("type") == "message":
            return [{**self._item, "content": [self._text()]}]
        return [self._item] if self._item else []

    def _delta(self, delta: Mapping[str, Any]) -> list[Event]:
        match delta["type"]:
            case "text_delta":
                self._block["text"] += delta["text"]
                said = {"content_index": 0, "delta": delta["text"], "logprobs": []}
                return [self._told("response.output_text.delta", **self._of_item(), **said)]
            case "input_json_delta" if delta["partial_json"] and self._item:
                self._item["arguments"] += delta["partial_json"]
                kind = "response.function_call_arguments.delta"
                return [self._told(kind, **self._of_item(), delta=delta["partial_json"])]
            case "thinking_delta":
                self._block["thinking"] += delta["thinking"]
            case "signature_delta":
                self._block["signature"] = delta["signature"]
            case _:
                pass
        return []

    def _close(self, status: str = "completed") -> list[Event]:
        told: list[Event] = []
        match self._item.get("type"):
            case "message":
                said = {"content_index": 0, "text": self._block["text"], "logprobs": []}
                told.append(self._told("response.output_text.done", **self._of_item(), **said))
                told.append(self._part("done"))
                self._item["content"] = [told[-1]["part"]]
                self._item["status"] = status
            case "function_call":
                if status == "completed":
                    self._item["arguments"] = self._item["arguments"] or "{}"
                self._item["status"] = status
                done = {"name": self._item["name"], "arguments": self._item["arguments"]}
                kind = "response.function_call_arguments.done"
                told.append(self._told(kind, **self._of_item(), **done))
            case "reasoning":
                if self.has_thoughts and self._block.get("signature", "none of its own"):
                    self._item["encrypted_content"] = sealed(self._block)
            case _:
                return []
        at = len(self._output)
        told.append(self._told("response.output_item.done", output_index=at, item={**self._item}))
        self._output.append(self._item)
        self._item = {}
        return told

    def _finish(self, event: Event) -> list[Event]:
        self._usage |= {k: v for k, v in (event.get("usage") or {}).items() if v is not None}
        reason = event["delta"].get("stop_reason")
        why = _CUT.get(str(reason))
        status = "incomplete" if why else "completed"
        told = self._close(status)
        if reason == "refusal":
            told += self._refuse(refusal(event["delta"]))
        self._response["status"] = status
        self._response["incomplete_details"] = {"reason": why} if why else None
        self._response["usage"] = usage(self._usage)
        kind = f"response.{self._response['status']}"
        return [*told, self._told(kind, response=self._as_it_is())]

    def _refuse(self, text: str) -> list[Event]:
        name = f"{self._response['id'].removeprefix('resp_')}_{len(self._output)}"
        part = {"type": "refusal", "refusal": text}
        item = {"id": f"msg_{name}_refusal", "type": "message", "role": "assistant", "content": []}
        at = {"item_id": item["id"], "output_index": len(self._output), "content_index": 0}
        index = {"output_index": len(self._output)}
        whole = {**item, "status": "completed", "content": [part]}
        told = [
            self._told(
                "response.output_item.added", **index, item={**item, "status": "in_progress"}
            ),
            self._told("response.content_part.added", **at, part={**part, "refusal": ""}),
            self._told("response.refusal.delta", **at, delta=text),
            self._told("response.refusal.done", **at, refusal=text),
            self._told("response.content_part.done", **at, part=part),
            self._told("response.output_item.done", **index, item=whole),
        ]
        self._output.append(whole)
        return told
