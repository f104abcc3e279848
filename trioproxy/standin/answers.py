"""What the stand-in answers, and the events or the message that carry it.

The same request has the same answer; only its ids tell one from the next. A delta is a word, and
a token: `max_tokens` and the usage count deltas.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from trioproxy.standin.blocks import Block, limit, text_block, thinking_block, tool_block
from trioproxy.standin.bodies import Body, check_body, conversation, count_tokens, last_text
from trioproxy.standin.directives import Directives, ToolCall, read_directives
from trioproxy.standin.errors import ApiError
from trioproxy.standin.pace import Pace

MAX_QUOTE = 2000  # characters of the caller's text that the usual answer repeats


@attrs.frozen
class Plan:
    """All that is going to happen to one request."""

    number: int
    """The request's; the ids are made of it."""
    model: str
    blocks: tuple[Block, ...]
    stop_reason: str
    stop_sequence: str | None
    input_tokens: int
    is_streamed: bool
    pace: Pace
    error: ApiError | None = None
    """Instead of the answer; or, with `fail_after`, in the midst of it."""
    fail_after: int | None = None
    """Deltas that come before the error."""
    drop_after: int | None = None
    """Deltas that come before the connection is cut."""
    hang: bool = False
    stop_details: Mapping[str, Any] | None = None
    """Why the model stopped, if `stop_reason` does not say all of it."""
    usage: Mapping[str, Any] = attrs.field(factory=dict)
    """What the usage says other than what was counted."""
    chunk: int | None = None
    """Bytes of a chunk of the stream, wherever that cuts; None: as many as are due."""

    @property
    def output_tokens(self) -> int:
        """The deltas of all blocks."""
        return sum(len(block.deltas) for block in self.blocks)

    @property
    def refusal(self) -> ApiError | None:
        """The error that is the HTTP answer: a whole answer cannot fail in its midst."""
        return None if self.is_streamed and self.fail_after is not None else self.error


def plan(body: object, *, number: int, pace: Pace | None = None) -> Plan:
    """Decide the answer to the body of `POST /v1/messages`; a directive overrides the pace.

    Raises `ApiError` 400 if the API would refuse the body, or a directive in it makes no sense.
    """
    request = check_body(body)
    asked = read_directives(last_text(request))
    text, stop_sequence = _stopped(_text(asked, request), request.get("stop_sequences") or ())
    tools = asked.tools if stop_sequence is None else ()
    blocks = tuple(_blocks(asked.thinking, text, tools, number))
    kept = limit(blocks, request["max_tokens"])
    cut = kept != blocks
    return Plan(
        number=number,
        model=request["model"],
        blocks=kept,
        stop_reason=_stop_reason(asked, cut=cut, stopped=stop_sequence is not None),
        stop_sequence=None if cut else stop_sequence,
        stop_details=None if cut or stop_sequence is not None else _stop_details(asked),
        input_tokens=count_tokens(request),
        is_streamed=request.get("stream") is True,
        pace=_pace(asked, pace or Pace()),
        error=_error(asked),
        fail_after=asked.fail_after,
        drop_after=asked.drop_after,
        hang=asked.hang,
    )


def events(answer: Plan) -> list[dict[str, Any]]:
    """The events of the streamed answer, up to where it fails or drops."""
    if answer.fail_after is not None:
        assert answer.error is not None, "an answer fails with an error"
        before = _until(_all_events(answer), answer.fail_after)
        return [*before, answer.error.body(answer.number)]
    if answer.drop_after is not None:
        return list(_until(_all_events(answer), answer.drop_after))
    return list(_all_events(answer))


def whole(answer: Plan) -> dict[str, Any]:
    """The message that all the events together make."""
    return {
        "id": f"msg_standin_{answer.number:06d}",
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [block.whole() for block in answer.blocks],
        "stop_reason": answer.stop_reason,
        "stop_sequence": answer.stop_sequence,
        **_details(answer),
        "usage": _usage(answer, answer.output_tokens),
    }


def _details(answer: Plan) -> dict[str, Any]:
    return {} if answer.stop_details is None else {"stop_details": answer.stop_details}


def _usage(answer: Plan, output_tokens: int) -> dict[str, Any]:
    return {
        "input_tokens": answer.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
        **answer.usage,
    }


def _all_events(answer: Plan) -> Iterator[dict[str, Any]]:
    opening: dict[str, object] = {"content": [], "stop_reason": None, "stop_sequence": None}
    message = {**whole(answer), **opening, "usage": _usage(answer, 0)}
    message.pop("stop_details", None)
    yield {"type": "message_start", "message": message}
    for index, block in enumerate(answer.blocks):
        yield {"type": "content_block_start", "index": index, "content_block": block.start}
        if index == 0:
            yield {"type": "ping"}
        for delta in block.deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    stop = {"stop_reason": answer.stop_reason, "stop_sequence": answer.stop_sequence}
    stop |= _details(answer)
    usage = _usage(answer, answer.output_tokens)
    yield {"type": "message_delta", "delta": stop, "usage": usage}
    yield {"type": "message_stop"}


def _until(stream: Iterable[dict[str, Any]], deltas: int) -> Iterator[dict[str, Any]]:
    """The events before the delta after so many; never to the end of the message."""
    for event in stream:
        if event["type"] == "message_delta":
            return
        if event["type"] == "content_block_delta":
            if deltas == 0:
                return
            deltas -= 1
        yield event


def _text(asked: Directives, request: Body) -> str | None:
    """What is said, if anything: a call of a tool needs no words, nor does a refusal."""
    if asked.text is not None:
        return asked.text
    if asked.words is not None:
        return " ".join(f"w{i}" for i in range(asked.words))
    return None if asked.tools or asked.refusal is not None else _usual_text(request)


def _usual_text(request: Body) -> str:
    count = len(conversation(request))
    messages = "1 message" if count == 1 else f"{count} messages"
    prompt = last_text(request)
    quote = prompt if len(prompt) <= MAX_QUOTE else prompt[:MAX_QUOTE] + "…"
    sent = f"You sent {messages} to {request['model']}; the last one says: {quote}"
    return f"I am the offline stand-in. {sent}"


def _stopped(text: str | None, sequences: Sequence[str]) -> tuple[str | None, str | None]:
    """The text up to the stop sequence that comes first, and that sequence."""
    found = [(text.find(stop), stop) for stop in sequences if text and stop in text]
    if not text or not found:
        return text, None
    at, stop = min(found)
    return text[:at], stop


def _stop_reason(asked: Directives, *, cut: bool, stopped: bool) -> str:
    if cut:
        return "max_tokens"
    if stopped:
        return "stop_sequence"
    if asked.refusal is not None:
        return "refusal"
    return "tool_use" if asked.tools else "end_turn"


def _stop_details(asked: Directives) -> dict[str, Any] | None:
    """What the API tells of a refusal, if it tells anything."""
    if not asked.refusal:
        return None
    return {"type": "refusal", "category": asked.category, "explanation": asked.refusal}


def _error(asked: Directives) -> ApiError | None:
    status = asked.error or (None if asked.fail_after is None else 529)
    if status is None:
        return None
    return ApiError(status) if asked.message is None else ApiError(status, asked.message)


def _pace(asked: Directives, pace: Pace) -> Pace:
    return Pace(
        first=pace.first if asked.first is None else asked.first,
        rate=pace.rate if asked.rate is None else asked.rate,
    )


def _blocks(
    thinking: str | None, text: str | None, tools: Iterable[ToolCall], number: int
) -> Iterator[Block]:
    if thinking is not None:
        yield thinking_block(thinking)
    if text is not None:
        yield text_block(text)
    for index, tool in enumerate(tools):
        yield tool_block(f"toolu_standin_{number:06d}_{index}", tool.name, tool.input)
