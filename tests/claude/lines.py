"""The lines that the real CLI writes (2.1.332), less the fields that only a terminal wants.

They are those of a conversation of `driving.exchange_of`: its messages have the uuids "m1", "m2",
... in their order, and the exchange's own control requests the ids "c1", "c2", ...
"""

from typing import Any

from trioproxy.claude.turn import Event
from trioproxy.claude.wire import Line


def accepted(request_id: str, **response: object) -> Line:
    body = {"subtype": "success", "request_id": request_id, "response": response}
    return {"type": "control_response", "response": body}


def rejected(request_id: str, error: str = "No such subtype") -> Line:
    body = {"subtype": "error", "request_id": request_id, "error": error}
    return {"type": "control_response", "response": body}


def rewound(request_id: str = "c1") -> Line:
    return accepted(request_id, rewound=True, targetMessageUuid="m1", prefillText="u1\n ")


def lifecycle(state: str, uuid: str = "m1") -> Line:
    return {"type": "command_lifecycle", "command_uuid": uuid, "state": state}


QUEUED, STARTED, COMPLETED = map(lifecycle, ("queued", "started", "completed"))
INIT: Line = {"type": "system", "subtype": "init", "model": "claude-test", "tools": []}
REQUESTING: Line = {"type": "system", "subtype": "status", "status": "requesting"}


def event(kind: str, **fields: Any) -> Line:
    return {"type": "stream_event", "event": {"type": kind, **fields}, "parent_tool_use_id": None}


def delta(text: str, index: int = 0) -> Line:
    sent = {"type": "text_delta", "text": text}
    return event("content_block_delta", index=index, delta=sent)


def ended(reason: str | None) -> Line:
    how = {"stop_reason": reason, "stop_sequence": None}
    return event("message_delta", delta=how, usage={"output_tokens": 9})


START = event("message_start", message={"id": "msg_1", "model": "claude-test", "content": []})
OPEN = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
CLOSE = event("content_block_stop", index=0)
STOP = event("message_stop")


def assistant(*texts: str, model: str = "claude-test") -> Line:
    content = [{"type": "text", "text": text} for text in texts]
    return {
        "type": "assistant",
        "message": {"role": "assistant", "model": model, "content": content},
    }


def synthetic(text: str, reason: str = "stop_sequence") -> Line:
    line = assistant(text, model="<synthetic>")
    return {**line, "message": {**line["message"], "stop_reason": reason}}


def refusal(*pieces: str, explanation: str | None = None) -> list[Line]:
    """The lines of one API call that the model refuses, after these pieces of a text, if any."""
    text = "API Error: Opus 5.5's safeguards flagged this message"
    noted: Line = {"type": "system", "subtype": "model_refusal_no_fallback"}
    last = ended("refusal")
    if explanation is not None:
        why = {"type": "refusal", "explanation": explanation}
        last["event"]["delta"]["stop_details"] = why
    sent = answer(*pieces)[2:-2] if pieces else []
    end = api_error(None, text, stop_reason="refusal")
    return [REQUESTING, START, *sent, noted, synthetic(text, "refusal"), last, STOP, end]


def user(text: str, *, is_synthetic: bool = False) -> Line:
    sent = {"role": "user", "content": [{"type": "text", "text": text}]}
    return {"type": "user", "message": sent, **({"isSynthetic": True} if is_synthetic else {})}


def result(text: str = "", **fields: object) -> Line:
    usual = {"subtype": "success", "is_error": False, "num_turns": 1, "api_error_status": None}
    return {"type": "result", **usual, "terminal_reason": "completed", "result": text, **fields}


def api_error(status: int | None, text: str, **fields: object) -> Line:
    how = {"is_error": True, "terminal_reason": "api_error", "stop_reason": "stop_sequence"}
    return result(text, api_error_status=status, **{**how, **fields})


HISTORY_RESULT = result(num_turns=0)
ABORTED: Line = {
    "type": "result",
    "subtype": "error_during_execution",
    "is_error": True,
    "terminal_reason": "aborted_streaming",
    "errors": ["[ede_diagnostic] result_type=user last_content_type=n/a stop_reason=null"],
}


def answer(*pieces: str, reason: str = "end_turn") -> list[Line]:
    """The lines of one API call that goes well."""
    deltas = [delta(piece) for piece in pieces]
    whole = assistant("".join(pieces))
    return [REQUESTING, START, OPEN, *deltas, whole, CLOSE, ended(reason), STOP]


def events_of(lines: list[Line]) -> list[Event]:
    return [line["event"] for line in lines if line["type"] == "stream_event"]
