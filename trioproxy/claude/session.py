"""What one process keeps from turn to turn, and the first bytes of each thing asked of it."""

from collections.abc import Callable, Iterable
from uuid import uuid4

import orjson
from attrs import define, field

from trioproxy.claude import wire
from trioproxy.claude.exchange import Exchange, segments
from trioproxy.claude.turn import Turn
from trioproxy.claude.wire import Line

FlagSettings = dict[str, object]

_THINKS = 1024
_THINKS_NOT = 0


def _uuid() -> str:
    return str(uuid4())


@define(eq=False)
class Session:
    """The memory of one process: the system prompt that it is bound to, the settings it has.

    The first `initialize` fixes the system prompt for good, so a session serves one; `bound` is
    None until then. Settings stick until they are set again: they are sent when they differ.

    `own_betas` are the beta features that the CLI itself asks for; with `own_tools` it has tools
    of its own.
    """

    own_betas: tuple[str, ...] = ()
    own_tools: bool = False
    bound: str | None = field(default=None, init=False)
    _new_uuid: Callable[[], str] = _uuid
    _settings: FlagSettings | None = field(default=None, init=False)
    _thinking: int | None = field(default=None, init=False)
    _asked: int = field(default=0, init=False)

    def ping(self) -> "Ping":
        """A question that a healthy process answers at once."""
        return Ping(self._new_id())

    def begin(self, turn: Turn) -> Exchange:
        """The exchange of `turn`. The session counts as bound and set from here on."""
        assert self.bound in {None, turn.system}, "another system prompt needs another process"
        pending: set[str] = set()
        controls = b"".join(self._prepare(turn, pending))
        found = segments(controls, turn.messages, self._new_uuid, model=turn.model)
        return Exchange(found, pending, self._new_id, own_tools=self.own_tools)

    def _prepare(self, turn: Turn, pending: set[str]) -> list[bytes]:
        lines: list[bytes] = []

        def ask(subtype: str, **fields: object) -> None:
            request_id = self._new_id()
            pending.add(request_id)
            lines.append(wire.control_request(request_id, subtype, **fields))

        if self.bound is None:
            ask("initialize", systemPrompt=turn.system)
            self.bound = turn.system
        thinking = _THINKS if _must_not_have_a_temperature(turn) else _THINKS_NOT
        if thinking != self._thinking:
            ask("set_max_thinking_tokens", max_thinking_tokens=thinking)
            self._thinking = thinking
        flag_settings = _settings(turn, self.own_betas)
        if flag_settings != self._settings:
            ask("apply_flag_settings", settings=flag_settings)
            self._settings = flag_settings
        return lines

    def _new_id(self) -> str:
        self._asked += 1
        return f"trioproxy-{self._asked}"


def _must_not_have_a_temperature(turn: Turn) -> bool:
    """Whether the CLI's own `temperature`, of 1, would be one too many.

    The CLI sends it while its thinking is off, and some models take only one of the two. So its
    thinking is set on, which the request's own `thinking` then overrides.
    """
    return "top_p" in turn.parameters and "temperature" not in turn.parameters


def _settings(turn: Turn, own_betas: Iterable[str]) -> FlagSettings:
    """What `apply_flag_settings` is to set: these take effect on the very next API call.

    All are set each time, so that nothing of one request is left for the next. The model is set
    here and not by `set_model`, which spends an API call of its own on each model that the CLI
    does not list.
    """
    # The CLI lowers what it takes for too many tokens; the request itself says it as it was.
    limit = {} if turn.max_tokens is None else {"max_tokens": turn.max_tokens}
    body = {**limit, **turn.parameters}
    if _must_not_have_a_temperature(turn):
        body.setdefault("thinking", {"type": "disabled"})
    if turn.betas:  # these take the place of the CLI's own
        body["betas"] = list(dict.fromkeys((*own_betas, *turn.betas)))
    return {
        "model": turn.model,
        "env": {
            "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(turn.max_tokens or ""),
            "CLAUDE_CODE_EXTRA_BODY": orjson.dumps(body).decode(),
            "DISABLE_PROMPT_CACHING": "" if turn.system_cache else "1",
            "CLAUDE_CODE_PROMPT_CACHE_TTL": turn.system_cache,
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


@define(eq=False)
class InitializeProbe:
    """The question to a new process who it is. It binds the process to no prompt at all."""

    answer: Line | None = field(default=None, init=False)

    def begin(self) -> bytes:
        """The bytes to write."""
        return wire.control_request("introduction", "initialize", systemPrompt="")

    def receive(self, lines: list[Line]) -> None:
        """Take in the lines of one read; all but the answer are passed over."""
        for line in lines:
            response = line.get("response")
            if line["type"] == "control_response" and isinstance(response, dict):
                body = response.get("response")
                self.answer = body if isinstance(body, dict) else {}
