"""What one process keeps from turn to turn, and what is first written of each thing asked."""

from collections.abc import Callable, Iterable
from enum import IntEnum
from math import inf
from typing import Any
from uuid import uuid4

import orjson
from attrs import define, field

from trioproxy.claude import wire
from trioproxy.claude.control import ControlQuery
from trioproxy.claude.conversation import Asked, Conversation, Standing
from trioproxy.claude.exchange import Exchange, segments
from trioproxy.claude.prompts import Prompt, PromptSlots, agent
from trioproxy.claude.reading import Reader
from trioproxy.claude.turn import Turn

FlagSettings = dict[str, Any]

_SIMPLE = "CLAUDE_CODE_SIMPLE"  # what --bare sets, for good; here it is set for each turn

_THINKS = 1024
_THINKS_NOT = 0


class Fit(IntEnum):
    """How well a process suits a turn, the better the higher."""

    NOT = 0
    TAKES = 1
    """It can be given the prompt."""
    KNOWS = 2
    """It has the prompt in a slot."""
    HAS = 3
    """Its next request has the prompt."""


def _uuid() -> str:
    return str(uuid4())


@define(eq=False)
class Session:
    """The memory of one process: its system prompts, its settings, what stands in it.

    With `slots`, it takes any prompt, any number of times: see `prompts.py`. Without, the first
    `initialize` fixes the prompt for good, so a session serves one; `bound` is None until then.
    Settings stick until they are set again: they are sent when they differ.

    `own_betas` are the beta features that the CLI itself asks for; with `own_tools` it has tools
    of its own; `is_bare`: it adds nothing to what a caller says. `prompt_timeout`: seconds after
    which the prompts of other callers, unused, are taken from it. `keeps`: some of a conversation
    stays in it for the next turn, as `conversation` has it.
    """

    own_betas: tuple[str, ...] = ()
    own_tools: bool = False
    slots: PromptSlots | None = None
    is_bare: bool = False
    prompt_timeout: float = inf
    keeps: bool = False
    conversation: Conversation = field(factory=Conversation, init=False)
    bound: str | None = field(default=None, init=False)
    _new_uuid: Callable[[], str] = _uuid
    _settings: FlagSettings | None = field(default=None, init=False)
    _thinking: int | None = field(default=None, init=False)
    _asked: int = field(default=0, init=False)
    _context: bytes = field(default=b"", init=False)

    def ping(self) -> ControlQuery:
        """A question that a healthy process answers at once: within a millisecond once booted."""
        return ControlQuery.of(self._new_id(), "mcp_status")

    @property
    def has_prompt(self) -> bool:
        """Whether its next request would have a prompt that it was given."""
        return self.bound is not None if self.slots is None else self.slots.current is not None

    @property
    def has_kept(self) -> bool:
        """Whether it knows what can be taken from it: prompts, or a conversation."""
        has_prompts = self.slots is not None and self.slots.count > 0
        return has_prompts or bool(self.conversation.messages)

    def forget(self) -> ControlQuery:
        """Take the conversation and all prompts from the process, and what was set last."""
        lines: list[bytes] = []
        pending: set[str] = set()
        rewind_id = self._go_back(lines, pending, 0)
        self._settings = None
        if self.slots is not None:
            self.slots.clear()
            self._reload(lines, pending, self.slots)
        agent = {} if self.slots is None else {"agent": ""}
        nothing = {**agent, "env": {"CLAUDE_CODE_EXTRA_BODY": ""}}
        self._control(lines, pending, "apply_flag_settings", settings=nothing)
        return ControlQuery(b"".join(lines), pending, rewind_id)

    def forget_conversation(self) -> ControlQuery:
        """Take the conversation from the process, and nothing else."""
        lines: list[bytes] = []
        pending: set[str] = set()
        rewind_id = self._go_back(lines, pending, 0)
        return ControlQuery(b"".join(lines), pending, rewind_id)

    def ended(self, exchange: Exchange) -> None:
        """A turn is over, and its process clean: what stands in it now."""
        kept = exchange.kept
        last = next((message.uuid for message in reversed(kept) if message.is_users), "")
        self.conversation = Conversation(self._context if kept else b"", kept, last)

    def common(self, asked: Asked) -> int:
        """How many messages stand in it that a turn has too."""
        return self.conversation.common(asked) if self.keeps else 0

    @property
    def oldest_use(self) -> float:
        """When the prompt that would give way to another one was last used; never: none would."""
        return -inf if self.slots is None else self.slots.oldest_use

    def fit(self, prompt: Prompt) -> Fit:
        """How well the process suits a turn with this prompt, whatever stands in it."""
        if self.slots is None:
            fits = {None: Fit.TAKES, prompt.text: Fit.HAS}
            return fits.get(self.bound, Fit.NOT)
        slot = self.slots.find(prompt)
        if slot is None:
            return Fit.TAKES
        return Fit.HAS if slot == self.slots.current else Fit.KNOWS

    def begin(self, turn: Turn, now: float = 0.0, asked: Asked | None = None) -> Exchange:
        """The exchange of `turn`. The session counts as bound and set from here on.

        `asked`: what the turn asks for, where that is known already.
        """
        pending: set[str] = set()
        back: list[bytes] = []
        standing: tuple[Standing, ...] = ()
        rewind_id = ""
        if self.keeps:
            asked = asked or Asked(turn)
            count = self.conversation.common(asked)
            standing = self.conversation.messages[:count]
            if count < len(self.conversation.messages):
                rewind_id = self._go_back(back, pending, count)
            self._context = asked.context
        if self.slots is None:
            binding, controls = b"", b"".join(self._prepare(turn, pending))
        else:
            binding, controls = self._bind(self.slots, turn, pending, now)
        if back:  # proven before anything is written
            binding, controls = b"".join([*back, binding, controls]), b""
        messages = turn.messages[len(standing) :]
        uuids = [self._new_uuid() for _ in messages]
        found = segments(controls, messages, uuids, model=turn.model)
        reader = Reader(pending, self.own_tools, rewind_id)
        hashes = (*(asked.messages[len(standing) :] if asked else ()), *[b""] * len(messages))
        fresh = tuple(map(Standing.of, messages, uuids, hashes))
        return Exchange(found, reader, self._new_id, binding, standing, fresh, self.keeps)

    def _go_back(self, lines: list[bytes], pending: set[str], count: int) -> str:
        """Have so many messages stay of those that stand; the id of the request, if any."""
        standing, last = self.conversation.messages, self.conversation.last_uuid
        self.conversation = Conversation()
        if count >= len(standing):
            return ""
        return self._control(
            lines,
            pending,
            "rewind_conversation",
            target_message_uuid=standing[count].uuid,
            last_seen_user_message_uuid=last,
        )

    def _bind(
        self, slots: PromptSlots, turn: Turn, pending: set[str], now: float
    ) -> tuple[bytes, bytes]:
        """What gives the process its prompt, and what it is asked with the first message.

        A process that has the prompt is asked at once; else all has to be granted before.
        """
        prompt = Prompt(turn.caller, turn.system)
        before, slot = slots.current, slots.find(prompt)
        is_new = slots.drop_others(turn.caller, now - self.prompt_timeout) or slot is None
        lines: list[bytes] = []
        if slot is None:
            slot = slots.put(prompt, now)
        else:
            slots.use(slot, now)
        if is_new:
            self._reload(lines, pending, slots)
            self._settings = None
        lines += self._prepare(turn, pending, agent(slot))
        data = b"".join(lines)
        return (b"", data) if slot == before and not is_new else (data, b"")

    def _reload(self, lines: list[bytes], pending: set[str], slots: PromptSlots) -> None:
        """Have the process read again what is in the slots."""
        fresh: FlagSettings = {"pluginConfigs": slots.values()}
        if self.is_bare:
            fresh["env"] = {_SIMPLE: ""}  # else the agents are not read again
        self._control(lines, pending, "apply_flag_settings", settings=fresh)
        self._control(lines, pending, "reload_plugins")

    def _prepare(self, turn: Turn, pending: set[str], agent_name: str = "") -> list[bytes]:
        lines: list[bytes] = []
        if not agent_name:
            assert self.bound in {None, turn.system}, "another system prompt needs another process"
            if self.bound is None:
                self._control(lines, pending, "initialize", systemPrompt=turn.system)
                self.bound = turn.system
        thinking = _THINKS if _must_not_have_a_temperature(turn) else _THINKS_NOT
        if thinking != self._thinking:
            self._control(lines, pending, "set_max_thinking_tokens", max_thinking_tokens=thinking)
            self._thinking = thinking
        flag_settings = _settings(turn, self.own_betas)
        if agent_name:
            flag_settings["agent"] = agent_name
            if self.is_bare:
                flag_settings["env"] = {**flag_settings["env"], _SIMPLE: "1"}
        if flag_settings != self._settings:
            self._control(lines, pending, "apply_flag_settings", settings=flag_settings)
            self._settings = flag_settings
        return lines

    def _control(
        self, lines: list[bytes], pending: set[str], subtype: str, **fields: object
    ) -> str:
        request_id = self._new_id()
        pending.add(request_id)
        lines.append(wire.control_request(request_id, subtype, **fields))
        return request_id

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
