"""Responses: an answer as one JSON body, or as typed events. Requests: response_request.py.

    message_start          response.created, response.in_progress
    a block begins         response.output_item.added (and content_part.added for text)
    text_delta             response.output_text.delta
    input_json_delta       response.function_call_arguments.delta, or as its tool has it: calls.py
    the next begins        ....done, content_part.done, output_item.done: see output.py
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
from attrs import define, field

from trioproxy.claude.turn import Event
from trioproxy.dialects import sse
from trioproxy.dialects.openai.calls import Call, ItemEvent
from trioproxy.dialects.openai.chat import refusal
from trioproxy.dialects.openai.errors import error_fields
from trioproxy.dialects.openai.output import Called, Item, Search, Summary, Text, Thought
from trioproxy.dialects.openai.search import CLAUDES_NAME
from trioproxy.dialects.openai.tools import Toolbox
from trioproxy.dialects.whole_message import WholeAnswer
from trioproxy.errors import TrioproxyError


def usage(counted: Mapping[str, Any]) -> dict[str, Any]:
    """The API's usage in the terms of responses."""
    cached = counted.get("cache_read_input_tokens") or 0
    made = counted.get("cache_creation_input_tokens") or 0
    given = (counted.get("input_tokens") or 0) + cached + made
    output_tokens = counted.get("output_tokens") or 0
    thought = (counted.get("output_tokens_details") or {}).get("thinking_tokens") or 0
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": made},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": given + output_tokens,
    }


_CUT = {"max_tokens": "max_output_tokens", "model_context_window_exceeded": "max_output_tokens"}


@define(eq=False)
class ResponsesRenderer:
    """The events of one answer, and the response that they make. `now`: seconds since 1970.

    A whole answer takes the same steps: it is the response of the last event. `tools` are
    those that the model was given; `model` and `name` are those of a response that begins before
    the API's message does; the other fields are as in `ResponsesRequest`.
    """

    now: int
    echo: Mapping[str, Any]
    has_thoughts: bool = False
    model: str = field(default="", kw_only=True)
    name: str = field(default="early", kw_only=True)
    tools: Toolbox = field(factory=Toolbox, kw_only=True)
    has_sources: bool = field(default=False, kw_only=True)
    wants_summary: bool = field(default=False, kw_only=True)
    _response: dict[str, Any] = field(factory=dict, init=False)
    _output: list[dict[str, Any]] = field(factory=list, init=False)
    _open_item: Item | None = field(default=None, init=False)
    _usage: dict[str, Any] = field(factory=dict, init=False)
    _sequence: int = field(default=0, init=False)

    def events(self, batch: Iterable[Event]) -> bytes:
        """The events that these become, as they are sent."""
        return sse.encode_events(typed for event in batch for typed in self.add(event))

    def ping(self) -> bytes:
        """A sign of life: the response as it is."""
        if not self._response:
            return sse.encode_events(self._begin(self.name, self.model))
        # With the item that is open: a client may take a response's items for all there are.
        unfinished = [] if self._open_item is None else [self._open_item.so_far()]
        so_far = {**self._response, "output": [*self._output, *unfinished]}
        return sse.encode_event(self._event("response.in_progress", response=so_far))

    def end(self) -> bytes:
        """What ends the stream: its last event has."""
        return b""

    def failed(self, error: TrioproxyError, _request_id: str) -> bytes:
        """An error in the stream: `error`, for Codex also `response.failed`.

        The reference has the fields of `error` in the event itself, and OpenAI's servers send
        them in an object of their own, which is what its packages and the AI SDK look for.
        """
        fields = error_fields(error)
        fields["code"] = fields["code"] or fields["type"]
        shown = {name: fields[name] for name in ("code", "message")}
        self._response |= {"status": "failed", "error": shown}
        events = [
            self._event("error", **shown, param=fields["param"], error=fields),
            self._event("response.failed", response=self._as_it_is()),
        ]
        return sse.encode_events(events)

    def whole(self, answer: WholeAnswer) -> bytes:
        """The whole answer, from the events that it was made of."""
        return orjson.dumps(self.of_answer(answer))

    def of_answer(self, answer: WholeAnswer) -> dict[str, Any]:
        """A whole answer as a response."""
        message = answer.message
        self.add({"type": "message_start", "message": message})
        for index, block in enumerate(message["content"]):
            self._open(index, block)
            for delta in _deltas(block, answer.inputs.get(index, "")):
                self._delta(delta)
            self._pause()
        self.add({"type": "message_delta", "delta": message, "usage": message.get("usage")})
        return self._as_it_is()

    def add(self, event: Event) -> list[Event]:
        """The events that one of the API's becomes."""
        match event["type"]:
            case "message_start":
                return self._start(event["message"])
            case "content_block_start":
                return self._open(event["index"], event["content_block"])
            case "content_block_delta":
                return self._delta(event["delta"])
            case "content_block_stop":
                return self._pause()
            case "message_delta":
                return self._finish(event)
            case _:
                return []

    def _event(self, kind: str, **fields: Any) -> Event:  # noqa: ANN401 - JSON
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
            self._event("response.created", response=self._as_it_is()),
            self._event("response.in_progress", response=self._as_it_is()),
        ]

    def _open(self, index: int, block: Mapping[str, Any]) -> list[Event]:
        if self._open_item is not None and self._open_item.takes(block):
            return []
        events = self._close("completed")
        name = f"{self._response['id'].removeprefix('resp_')}_{index}"
        self._open_item = self._item(name, block)
        if self._open_item is not None:
            at, item = len(self._output), {**self._open_item.item}
            events.append(self._event("response.output_item.added", output_index=at, item=item))
            events += self._item_events(self._open_item.begin())
        return events

    def _item(self, name: str, block: Mapping[str, Any]) -> Item | None:
        """The item that a block begins; None: there is none for it."""
        match block["type"]:
            case "text" if self.wants_summary:
                return Summary.begun(name)
            case "text":
                return Text.begun(name, is_joined=self.tools.has_search)
            case "tool_use":
                call = Call.begun(self.tools.called(block["name"]), block["id"], name)
                return Called(call.item, call)
            case "thinking" | "redacted_thinking" if not self.wants_summary:
                return Thought.begun(name, block, is_shown=self.has_thoughts)
            case "server_tool_use" if self.tools.has_search and block["name"] == CLAUDES_NAME:
                return Search.begun(name, block, has_sources=self.has_sources)
            case _:
                return None

    def _item_events(self, events: Iterable[ItemEvent]) -> list[Event]:
        assert self._open_item is not None
        at = {"item_id": self._open_item.item["id"], "output_index": len(self._output)}
        return [self._event(f"response.{kind}", **at, **fields) for kind, fields in events]

    def _delta(self, delta: Mapping[str, Any]) -> list[Event]:
        return [] if self._open_item is None else self._item_events(self._open_item.add(delta))

    def _pause(self) -> list[Event]:
        return [] if self._open_item is None else self._item_events(self._open_item.pause())

    def _close(self, status: str) -> list[Event]:
        """The item that is open has ended."""
        if self._open_item is None:
            return []
        events = self._item_events(self._open_item.end(status))
        item, at = self._open_item.item, len(self._output)
        events.append(self._event("response.output_item.done", output_index=at, item={**item}))
        self._output.append(item)
        self._open_item = None
        return events

    def _finish(self, event: Event) -> list[Event]:
        self._usage |= {k: v for k, v in (event.get("usage") or {}).items() if v is not None}
        reason = event["delta"].get("stop_reason")
        why = _CUT.get(str(reason))
        events = self._close("incomplete" if why else "completed")
        if reason == "refusal":
            events += self._refuse(refusal(event["delta"]))
        self._response["status"] = "incomplete" if why else "completed"
        self._response["incomplete_details"] = {"reason": why} if why else None
        self._response["usage"] = usage(self._usage)
        kind = f"response.{self._response['status']}"
        return [*events, self._event(kind, response=self._as_it_is())]

    def _refuse(self, text: str) -> list[Event]:
        name = f"{self._response['id'].removeprefix('resp_')}_{len(self._output)}"
        part = {"type": "refusal", "refusal": text}
        item = {"id": f"msg_{name}_refusal", "type": "message", "role": "assistant", "content": []}
        at = {"item_id": item["id"], "output_index": len(self._output), "content_index": 0}
        index = {"output_index": len(self._output)}
        whole = {**item, "status": "completed", "content": [part]}
        events = [
            self._event(
                "response.output_item.added", **index, item={**item, "status": "in_progress"}
            ),
            self._event("response.content_part.added", **at, part={**part, "refusal": ""}),
            self._event("response.refusal.delta", **at, delta=text),
            self._event("response.refusal.done", **at, refusal=text),
            self._event("response.content_part.done", **at, part=part),
            self._event("response.output_item.done", **index, item=whole),
        ]
        self._output.append(whole)
        return events


def _deltas(block: Mapping[str, Any], written: str) -> Iterator[dict[str, Any]]:
    """What a block would have streamed. `written`: the input of a call, as the model wrote it."""
    for citation in block.get("citations") or []:
        yield {"type": "citations_delta", "citation": citation}
    if block.get("text"):
        yield {"type": "text_delta", "text": block["text"]}
    if written:
        yield {"type": "input_json_delta", "partial_json": written}


@define(eq=False)
class CompactRenderer(ResponsesRenderer):
    """A conversation that is compacted: what is `kept` of it, and the summary. Never streamed."""

    kept: tuple[dict[str, Any], ...] = field(default=(), kw_only=True)

    def whole(self, answer: WholeAnswer) -> bytes:
        """The whole answer."""
        made = self.of_answer(answer)
        names = ("id", "created_at", "usage", "model")
        about = {name: made[name] for name in names}
        output = [*self.kept, *made["output"]]
        return orjson.dumps({**about, "object": "response.compaction", "output": output})
