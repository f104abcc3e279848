"""Several API calls of one turn, as the one message that a caller asked for.

With tools of its own, the CLI calls the API again with each tool's result. A caller has asked
once: it gets the blocks of all the calls in one message, less the calls of those tools, which
are not for it to answer; the usage is that of all calls together.

    call 1    message_start  0:text  1:tool_use              stop_reason tool_use
    call 2    message_start  0:text                          stop_reason end_turn
    caller    message_start  0:text  1:text                  stop_reason end_turn
"""

from collections.abc import Mapping
from typing import Any

from attrs import define, field

from trioproxy.claude.turn import Event

_PAUSED = "pause_turn"


@define(eq=False)
class Merger:
    """Takes in the events of all calls; hands out those of the one message."""

    is_over: bool = field(default=False, init=False)
    _has_begun: bool = field(default=False, init=False)
    _next_index: int = field(default=0, init=False)
    _indexes: dict[int, int | None] = field(factory=dict, init=False)
    _past: dict[str, int] = field(factory=dict, init=False)
    _current: dict[str, int] = field(factory=dict, init=False)

    def add(self, event: Event) -> list[Event]:
        """The caller's events that this one becomes: one, or none."""
        match event["type"]:
            case "message_start":
                return self._start(event)
            case "content_block_start":
                return self._open(event)
            case "content_block_delta" | "content_block_stop":
                index = self._indexes.get(event["index"])
                return [] if index is None else [{**event, "index": index}]
            case "message_delta":
                return self._end_call(event)
            case "message_stop":
                return [event] if self.is_over else []
            case _:
                return [event]

    def finish(self) -> list[Event]:
        """The end of a message that `max_turns` has cut off behind a tool's call."""
        if not self._has_begun or self.is_over:
            return []
        self.is_over = True
        delta = {"stop_reason": _PAUSED, "stop_sequence": None}
        return [
            {"type": "message_delta", "delta": delta, "usage": self._past},
            {"type": "message_stop"},
        ]

    def _start(self, event: Event) -> list[Event]:
        self._indexes.clear()
        self._current = _counts(event["message"].get("usage"))
        if self._has_begun:
            return []
        self._has_begun = True
        return [event]

    def _open(self, event: Event) -> list[Event]:
        if event["content_block"]["type"] == "tool_use":
            self._indexes[event["index"]] = None
            return []
        self._indexes[event["index"]] = self._next_index
        self._next_index += 1
        return [{**event, "index": self._indexes[event["index"]]}]

    def _end_call(self, event: Event) -> list[Event]:
        self._current |= _counts(event.get("usage"))
        for name, count in self._current.items():
            self._past[name] = self._past.get(name, 0) + count
        if event["delta"].get("stop_reason") == "tool_use":
            return []
        self.is_over = True
        return [{**event, "usage": {**(event.get("usage") or {}), **self._past}}]


def _counts(usage: Mapping[str, Any] | None) -> dict[str, int]:
    return {k: v for k, v in (usage or {}).items() if isinstance(v, int)}
