"""The API's events, in few words."""

from typing import Any

from trioproxy.claude.turn import Event


def start(**usage: object) -> Event:
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-test",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 11, "output_tokens": 1, "cache_read_input_tokens": 4, **usage},
    }
    return {"type": "message_start", "message": message}


def opened(index: int, **fields: object) -> Event:
    return {"type": "content_block_start", "index": index, "content_block": fields}


def delta(index: int, kind: str, **fields: object) -> Event:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def closed(index: int) -> Event:
    return {"type": "content_block_stop", "index": index}


def end(reason: str, sequence: str | None = None, **usage: object) -> list[Event]:
    how = {"stop_reason": reason, "stop_sequence": sequence}
    return [
        {"type": "message_delta", "delta": how, "usage": {"output_tokens": 9, **usage}},
        {"type": "message_stop"},
    ]


def text_block(index: int, *pieces: str) -> list[Event]:
    deltas = [delta(index, "text_delta", text=piece) for piece in pieces]
    return [opened(index, type="text", text=""), *deltas, closed(index)]


def thinking_block(index: int, signature: str, *pieces: str) -> list[Event]:
    deltas = [delta(index, "thinking_delta", thinking=piece) for piece in pieces]
    signed = delta(index, "signature_delta", signature=signature)
    opening = opened(index, type="thinking", thinking="", signature="")
    return [opening, *deltas, signed, closed(index)]
