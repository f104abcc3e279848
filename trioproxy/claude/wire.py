"""The CLI's wire: one JSON object a line, both ways (`--input-format stream-json`)."""

from typing import Any, TypeAlias

import orjson

from trioproxy.claude.turn import Block
from trioproxy.errors import WireError

Line: TypeAlias = dict[str, Any]
"""A decoded line. It always has a `type`."""

_SHOWN = 200

# The CLI reads lines as JavaScript does: these two end a line too, and JSON lets them stand raw.
_LINE_ENDS_IN_JSON = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))


def encode(line: Line) -> bytes:
    """A line for the CLI's standard input, its newline included."""
    data = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    for raw, escaped in _LINE_ENDS_IN_JSON:
        if raw in data:
            data = data.replace(raw, escaped)
    return data


def control_request(request_id: str, subtype: str, **fields: Any) -> bytes:  # noqa: ANN401 - JSON
    """A request to the process itself; it answers with a `control_response` of the same id."""
    request = {"subtype": subtype, **fields}
    return encode({"type": "control_request", "request_id": request_id, "request": request})


def user_message(content: list[Block], uuid: str, *, query: bool) -> bytes:
    """A user message. Without `query` it becomes history, and is answered by a bare `result`."""
    line = _message("user", content, uuid)
    if not query:
        line["shouldQuery"] = False
    return encode(line)


def assistant_message(content: list[Block], uuid: str, model: str) -> bytes:
    """An assistant message of the history. Nothing answers it.

    The CLI keeps its thoughts only if it comes from the `model` that is to answer, and takes
    messages of one id for one message.
    """
    line = _message("assistant", content, uuid)
    line["message"] |= {"id": f"msg_{uuid}", "type": "message", "model": model}
    return encode(line)


def _message(role: str, content: list[Block], uuid: str) -> Line:
    return {
        "type": role,
        "message": {"role": role, "content": content},
        "parent_tool_use_id": None,
        "session_id": "",
        "uuid": uuid,
    }


class LineDecoder:
    """Bytes in, lines out, however the pipe cut them.

    A line longer than `max_line_size` bytes, or one that is not a JSON object with a `type`,
    raises `WireError`; the decoder is of no use after that.
    """

    def __init__(self, max_line_size: int) -> None:
        self._max_line_size = max_line_size
        self._partial = bytearray()

    def feed(self, data: bytes) -> list[Line]:
        """All lines that are complete with `data`, in order."""
        *complete, rest = data.split(b"\n")
        if complete:
            complete[0] = bytes(self._partial) + complete[0]
            self._partial.clear()
        self._partial += rest
        if len(self._partial) > self._max_line_size:
            raise WireError(f"The CLI wrote a line longer than {self._max_line_size} bytes.")
        return [self._decode(line) for line in complete if line.strip()]

    def _decode(self, line: bytes) -> Line:
        if len(line) > self._max_line_size:
            raise WireError(f"The CLI wrote a line longer than {self._max_line_size} bytes.")
        try:
            decoded = orjson.loads(line)
        except orjson.JSONDecodeError:
            raise WireError(
                "The CLI wrote a line that is not JSON.", detail=_shown(line)
            ) from None
        if not isinstance(decoded, dict) or not isinstance(decoded.get("type"), str):
            raise WireError("The CLI wrote a line without a type.", detail=_shown(line))
        return decoded

    def __repr__(self) -> str:
        return f"<LineDecoder, {len(self._partial)} bytes of an unfinished line>"


def _shown(line: bytes) -> str:
    text = line[:_SHOWN].decode(errors="replace").strip()
    return f"{text!r}{'...' if len(line) > _SHOWN else ''}"
