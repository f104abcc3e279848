"""What one process keeps from turn to turn, and the first bytes of each thing asked of it."""

from collections.abc import Callable
from uuid import uuid4

import orjson
from attrs import define, field

from trioproxy.claude import wire
from trioproxy.claude.exchange import Exchange, segments
from trioproxy.claude.turn import Turn
from trioproxy.claude.wire import Line

Settings = dict[str, object]


def _uuid() -> str:
    return str(uuid4())


@define(eq=False)
class Session:
    """The memory of one process: the system prompt that it is bound to, the settings it has.

    The first `initialize` fixes the system prompt for good, so a session serves one; `bound` is
    None until then. Settings stick until they are set again: they are sent when they differ.
    """

    bound: str | None = field(default=None, init=False)
    _new_uuid: Callable[[], str] = _uuid
    _settings: Settings | None = field(default=None, init=False)
    _asked: int = field(default=0, init=False)

    def ping(self) -> "Ping":
        """A question that a healthy process answers at once."""
        return Ping(self._new_id())

    def begin(self, turn: Turn) -> Exchange:
        """The exchange of `turn`. The session counts as bound and set from here on."""
        assert self.bound in {None, turn.system}, "another system prompt needs another process"
        pending: set[str] = set()
        controls = b"".join(self._prepare(turn, pending))
        found = segments(controls, turn.messages, self._new_uuid)
        return Exchange(found, pending, self._new_id)

    def _prepare(self, turn: Turn, pending: set[str]) -> list[bytes]:
        lines: list[bytes] = []

        def ask(subtype: str, **fields: object) -> None:
            request_id = self._new_id()
            pending.add(request_id)
            lines.append(wire.control_request(request_id, subtype, **fields))

        if self.bound is None:
            ask("initialize", systemPrompt=turn.system)
            ask("set_max_thinking_tokens", max_thinking_tokens=0)
            self.bound = turn.system
        wanted = _settings(turn)
        if wanted != self._settings:
            ask("apply_flag_settings", settings=wanted)
            self._settings = wanted
        return lines

    def _new_id(self) -> str:
        self._asked += 1
        return f"trioproxy-{self._asked}"


def _settings(turn: Turn) -> Settings:
    """What `apply_flag_settings` is to set: these take effect on the very next API call.

    The model is set here and not by `set_model`, which spends an API call of its own on each
    model that the CLI does not list.
    """
    return {
        "model": turn.model,
        "env": {
            "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(turn.max_tokens),
            # The CLI lowers what it takes for too much; the request itself says it as it was.
            "CLAUDE_CODE_EXTRA_BODY": orjson.dumps({"max_tokens": turn.max_tokens}).decode(),
        },
    }


@define(eq=False)
class Ping:
    """A health check under way. `mcp_status` is answered within a millisecond once booted."""

    _id: str
    is_answered: bool = field(default=False, init=False)

    def begin(self) -> bytes:
        """The bytes to write."""
        return wire.control_request(self._id, "mcp_status")

    def receive(self, lines: list[Line]) -> None:
        """Take in the lines of one read; all but the answer are passed over."""
        for line in lines:
            response = line.get("response")
            if line["type"] == "control_response" and isinstance(response, dict):
                self.is_answered |= response.get("request_id") == self._id
