"""Chat completions: a request, and its answer as one JSON body or as chunks.

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

from trioproxy.claude.turn import Event
from trioproxy.dialects import sse
from trioproxy.dialects.anthropic.request import MessagesRequest, RequestDefaults, read_object
from trioproxy.dialects.json_checks import an_object, by_type, is_object, is_string
from trioproxy.dialects.openai import messages_request
from trioproxy.dialects.openai.calls import Call, ItemEvent
from trioproxy.dialects.openai.conversation import Conversation, read_chat
from trioproxy.dialects.openai.errors import error_body
from trioproxy.dialects.openai.parameters import CHAT, checked
from trioproxy.dialects.openai.response_request import ResponsesRequest, read_responses
from trioproxy.dialects.openai.search import url_citations
from trioproxy.dialects.openai.tools import Tool, Toolbox
from trioproxy.dialects.whole_message import WholeAnswer
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
    tools: Toolbox = field(factory=Toolbox, kw_only=True)


def parse_chat(
    body: bytes,
    *,
    mapped: Mapping[str, str],
    rules: RequestDefaults,
    can_search: bool = False,
    is_cached: bool = False,
) -> ChatRequest:
    """Read a request body. Raises `InvalidRequest`.

    `can_search`: whether the model may search the web; `is_cached`: whether a request gets cache
    breakpoints.
    """
    given = read_object(body)
    if given.get("input") is not None and not given.get("messages"):
        given.pop("messages", None)
        asked = read_responses(
            given, mapped=mapped, rules=rules, can_search=can_search, is_cached=is_cached
        )
        return _of_response(asked, given)
    data, notes = checked(given, CHAT)
    conversation = read_chat(data.get("messages"))
    limit = "max_completion_tokens" if "max_completion_tokens" in data else "max_tokens"
    found, noted = messages_request.sampling(data, limit)
    if "stop" in data:
        found["stop_sequences"] = messages_request.stop_sequences(data["stop"], "stop")
    tools = Toolbox(can_search)
    tools.add(data.get("tools", []), "tools", is_nested=True)
    if "web_search_options" in data:
        tools.add_search(data["web_search_options"], "web_search_options")
    in_parallel = data.get("parallel_tool_calls", True)
    found |= tools.chosen(data.get("tool_choice"), in_parallel=in_parallel, is_nested=True)
    effort = data.get("reasoning_effort")
    noted += messages_request.effort_notes(effort, "reasoning_effort")
    found |= messages_request.output(effort, _form(data, conversation))
    renamed = {"max_tokens": limit, "system": "messages"}
    request = messages_request.messages_request(
        data,
        conversation,
        tools,
        found,
        renamed,
        mapped=mapped,
        rules=rules,
        is_cached=is_cached,
    )
    notes += (*conversation.notes, *tools.notes, *noted, *request.notes)
    has_usage = data.get("stream_options", {}).get("include_usage", False)
    return ChatRequest(evolve(request, notes=notes), has_usage, tools=tools)


def _of_response(asked: ResponsesRequest, given: Mapping[str, Any]) -> ChatRequest:
    """A chat completion that is asked for with the body of a response, as Cursor does."""
    notes = ("input: read as that of a response, answered as a chat", *asked.messages.notes)
    options = given.get("stream_options") or {}
    messages = evolve(asked.messages, notes=notes)
    return ChatRequest(messages, options.get("include_usage", False), tools=asked.tools)


_PLAIN = an_object({"type": is_string})
_FORMAT = by_type(
    {
        "text": _PLAIN,
        "json_object": _PLAIN,
        "json_schema": an_object({"type": is_string, "json_schema": is_object}),
    }
)


def _form(data: Mapping[str, Any], conversation: Conversation) -> Mapping[str, Any] | None:
    form = data.get("response_format")
    if form is None:
        return None
    _FORMAT(form, "response_format")
    if form["type"] == "json_schema":
        path = "response_format.json_schema"
        return messages_request.schema_at(form.get("json_schema"), path, conversation)
    if form["type"] == "json_object":
        messages_request.json_only(conversation)
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
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": made},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }


def finish_reason(stop_reason: object) -> str:
    """Why an answer ended, in OpenAI's terms."""
    return _FINISH.get(str(stop_reason), "stop")


def completion(answer: WholeAnswer, now: int, tools: Toolbox) -> dict[str, Any]:
    """A whole answer as a chat completion; `now`: seconds since 1970."""
    message = answer.message
    texts = [block for block in message["content"] if block["type"] == "text"]
    text = "".join(block["text"] for block in texts)
    reason = finish_reason(message.get("stop_reason"))
    last = len(message["content"]) - 1
    calls = [
        _tool_call(
            tools,
            block,
            answer.inputs.get(index, ""),
            is_cut=reason == "length" and index == last,
        )
        for index, block in enumerate(message["content"])
        if block["type"] == "tool_use"
    ]
    is_refusal = message.get("stop_reason") == "refusal"
    shown: dict[str, Any] = {
        "role": "assistant",
        "content": text or None,
        "refusal": refusal(message) if is_refusal else None,
    }
    if annotations := _annotations(texts):
        shown["annotations"] = annotations
    if calls:
        shown["tool_calls"] = calls
    choice = {
        "index": 0,
        "message": shown,
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


def _annotations(texts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    start = 0
    for block in texts:
        end = start + len(block["text"])
        found += _as_annotations(url_citations(block.get("citations") or [], start, end))
        start = end
    return found


def _as_annotations(citations: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Citations as a chat has them: what they say stands in a field of its own."""
    return [
        {
            "type": citation["type"],
            citation["type"]: {k: v for k, v in citation.items() if k != "type"},
        }
        for citation in citations
    ]


def refusal(message: Mapping[str, Any]) -> str:
    """Why the model has refused, as far as the API says."""
    details = message.get("stop_details") or {}
    return str(details.get("explanation") or "The model refused to answer.")


def _tool_call(
    tools: Toolbox, block: Mapping[str, Any], written: str, *, is_cut: bool
) -> dict[str, Any]:
    call = Call.begun(_called(tools, block["name"]), block["id"], "")
    call.add(written)
    call.end(is_cut=is_cut)
    kind, field_ = _KINDS[call.item["type"]]
    about = {"name": call.item["name"], field_: call.item[field_]}
    return {"id": block["id"], "type": kind, kind: about}


def _called(tools: Toolbox, name: str) -> Tool:
    """The tool that is called; one that only a response can have is a function in a chat."""
    tool = tools.called(name)
    is_chats = tool.kind in {"function", "custom"} and not tool.namespace
    return tool if is_chats else Tool("function", name)


_KINDS = {"function_call": ("function", "arguments"), "custom_tool_call": ("custom", "input")}
"""A call's type in a chat, and where its input stands, by the type of its item."""


@define(eq=False)
class ChatRenderer:
    """The chunks of one answer. `now`: seconds since 1970; `tools`: what the model was given."""

    now: int
    has_usage: bool = False
    tools: Toolbox = field(factory=Toolbox, kw_only=True)
    _head: dict[str, Any] = field(factory=dict, init=False)
    _usage: dict[str, Any] = field(factory=dict, init=False)
    _calls: dict[int, tuple[int, Call]] = field(factory=dict, init=False)
    _has_input: set[int] = field(factory=set, init=False)
    _citations: list[Mapping[str, Any]] = field(factory=list, init=False)  # of this block
    _length: int = field(default=0, init=False)  # of the text
    _block_start: int = field(default=0, init=False)  # in the text

    def events(self, batch: Iterable[Event]) -> bytes:
        """The chunks that these events become, as they are sent."""
        return b"".join(sse.encode_data(chunk) for event in batch for chunk in self._chunks(event))

    def ping(self) -> bytes:
        """A sign of life: a comment, which clients pass over."""
        return b": ping\n\n"

    def end(self) -> bytes:
        """What ends the stream."""
        return b"data: [DONE]\n\n"

    def failed(self, error: TrioproxyError, request_id: str) -> bytes:
        """An error in the stream, which ends it."""
        return sse.encode_data(error_body(error, request_id))

    def whole(self, answer: WholeAnswer) -> bytes:
        """The whole answer."""
        return orjson.dumps(completion(answer, self.now, self.tools))

    def _chunks(self, event: Event) -> list[dict[str, Any]]:
        match event["type"]:
            case "message_start":
                return self._start(event["message"])
            case "content_block_start":
                return [*self._close(), *self._open(event["index"], event["content_block"])]
            case "content_block_delta":
                return self._delta(event["index"], event["delta"])
            case "content_block_stop":
                return self._pause(event["index"])
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
        self._citations, self._block_start = [], self._length
        if block["type"] != "tool_use":
            return []
        call = Call.begun(_called(self.tools, block["name"]), block["id"], "")
        at = len(self._calls)
        self._calls[index] = (at, call)
        kind, field_ = _KINDS[call.item["type"]]
        about = {"name": call.item["name"], field_: ""}
        opened = {"index": at, "id": block["id"], "type": kind, kind: about}
        return [self._chunk({"tool_calls": [opened]})]

    def _delta(self, index: int, delta: Mapping[str, Any]) -> list[dict[str, Any]]:
        match delta["type"]:
            case "text_delta":
                self._length += len(delta["text"])
                return [self._chunk({"content": delta["text"]})]
            case "citations_delta":
                self._citations.append(delta["citation"])
            case "input_json_delta" if delta["partial_json"] and index in self._calls:
                self._has_input.add(index)  # and it is not a tool of the API's own
                return self._pieces(index, self._calls[index][1].add(delta["partial_json"]))
            case _:
                pass
        return []

    def _pause(self, index: int) -> list[dict[str, Any]]:
        """A block has ended: where its text is from, or what is left of the text of its call."""
        if found := url_citations(self._citations, self._block_start, self._length):
            return [self._chunk({"annotations": _as_annotations(found)})]
        if index not in self._calls or self._is_function(index):
            return []
        events = self._calls[index][1].end()
        return self._pieces(index, [event for event in events if event[0].endswith(".delta")])

    def _close(self) -> list[dict[str, Any]]:
        """What follows a block shows that it is whole.

        A call without arguments streams none, but a client reads JSON. Not so when it was cut
        before its arguments came.
        """
        bare = [
            index for index in self._calls.keys() - self._has_input if self._is_function(index)
        ]
        self._has_input.update(bare)
        empty: ItemEvent = ("function_call_arguments.delta", {"delta": "{}"})
        return [chunk for index in bare for chunk in self._pieces(index, [empty])]

    def _is_function(self, index: int) -> bool:
        return self._calls[index][1].tool.kind == "function"

    def _pieces(self, index: int, events: Iterable[ItemEvent]) -> list[dict[str, Any]]:
        """What has come of a call's input."""
        at, call = self._calls[index]
        kind, field_ = _KINDS[call.item["type"]]
        return [
            self._chunk({"tool_calls": [{"index": at, kind: {field_: fields["delta"]}}]})
            for _, fields in events
        ]

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
