"""What is asked of a process itself, beside any turn: control requests, and their answers."""

from typing import Self

from attrs import define, field

from trioproxy.claude import wire
from trioproxy.claude.wire import Line


@define(eq=False)
class ControlQuery:
    """Control requests that are written at one go, and are over when all were answered.

    `answer` is the body of the last one; `error` what the first that failed says of it. Of
    `rewind_id`, the answer has to be the proof that it has rewound.
    """

    _data: bytes
    _pending: set[str]
    _rewind_id: str = ""
    answer: Line = field(factory=dict, init=False)
    error: str = field(default="", init=False)

    @classmethod
    def of(cls, request_id: str, subtype: str, **fields: object) -> Self:
        """A single one."""
        return cls(wire.control_request(request_id, subtype, **fields), {request_id})

    @property
    def is_answered(self) -> bool:
        """Whether the process has answered all."""
        return not self._pending

    def begin(self) -> bytes:
        """The bytes to write."""
        return self._data

    def receive(self, lines: list[Line]) -> None:
        """Take in the lines of one read; all but the answers are passed over."""
        for line in lines:
            response = line.get("response")
            if line["type"] == "control_response" and isinstance(response, dict):
                self._take(response)

    def _take(self, response: Line) -> None:
        request_id = response.get("request_id")
        if not isinstance(request_id, str) or request_id not in self._pending:
            return
        self._pending.remove(request_id)
        body = response.get("response")
        self.answer = body if isinstance(body, dict) else {}
        if response.get("subtype") != "success":
            self.error = self.error or str(response.get("error"))
        elif request_id == self._rewind_id and self.answer.get("rewound") is not True:
            self.error = self.error or "not rewound"


def introduction(*, binds: bool) -> ControlQuery:
    """The question to a new process who it is; the answer lists the models.

    With `binds`, the process is bound to no prompt at all; else it takes any from then on.
    """
    prompt = {"systemPrompt": ""} if binds else {}
    return ControlQuery.of("introduction", "initialize", **prompt)
