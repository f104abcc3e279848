"""Pure: the system prompts that a process knows, each in a slot of a plugin of ours.

The CLI takes the prompt of an agent for its own: agent `a3` of the plugin says nothing but
`${user_config.p3}`, and the settings say what `p3` is. So a process that runs can be given any
prompt, and knows the last ones that it was given. The plugin is three kinds of files, written once
for all processes; no caller's text is ever in them.

A slot belongs to a caller and a prompt: what one caller has said costs another what a new prompt
costs.
"""

import json
from collections.abc import Iterator, Mapping
from math import inf
from pathlib import Path

from attrs import define, field, frozen

SLOTS = 16
MOST_BYTES = 256 * 1024  # of all prompts together; a larger one stands alone

NOTHING = "__SYSTEM_PROMPT_DYNAMIC_BOUNDARY__"
"""Stands for an empty prompt, in whose place the CLI would put words of its own."""

_PLUGIN = "trioproxy"
SOURCE = f"{_PLUGIN}@inline"  # what the CLI calls a plugin of --plugin-dir


@frozen
class Prompt:
    """A system prompt, and whose it is."""

    caller: str
    text: str


def write_plugin(folder: Path) -> None:
    """Write the plugin into a folder of its own."""
    options = {
        f"p{slot}": {"type": "string", "title": f"{slot}", "description": f"{slot}", "default": ""}
        for slot in range(SLOTS)
    }
    about = {"name": _PLUGIN, "version": "1.0.0", "description": "prompts", "userConfig": options}
    for name in (".claude-plugin", "agents"):
        (folder / name).mkdir(parents=True, mode=0o700)
    (folder / ".claude-plugin" / "plugin.json").write_text(json.dumps(about))
    for slot in range(SLOTS):
        head = f"---\nname: a{slot}\ndescription: {slot}\n---\n"
        (folder / "agents" / f"a{slot}.md").write_text(f"{head}${{user_config.p{slot}}}\n")


def agent(slot: int) -> str:
    """What the CLI calls the agent of a slot."""
    return f"{_PLUGIN}:a{slot}"


@define
class _Slot:
    prompt: Prompt
    used_at: float


@define(eq=False)
class PromptSlots:
    """The prompts of one process, by their slots. Times are passed in, in seconds."""

    current: int | None = field(default=None, init=False)
    """The slot that the next request would have; None: none was given yet."""
    _slots: dict[int, _Slot] = field(factory=dict, init=False)

    def find(self, prompt: Prompt) -> int | None:
        """The slot that has this prompt."""
        return next((at for at, slot in self._slots.items() if slot.prompt == prompt), None)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._slots)

    def clear(self) -> None:
        """Take all away."""
        self._slots.clear()
        self.current = None

    @property
    def oldest_use(self) -> float:
        """When the slot that a new prompt would take was last used; never, if one is free."""
        if len(self._slots) < SLOTS:
            return -inf
        return min(slot.used_at for slot in self._slots.values())

    def use(self, slot: int, now: float) -> None:
        """The next request has the prompt of this slot."""
        self.current = slot
        self._slots[slot].used_at = now

    def put(self, prompt: Prompt, now: float) -> int:
        """Give a new prompt a slot, and take away the least recently used until all fit."""
        for at in self._surplus(len(prompt.text.encode(errors="surrogatepass"))):
            del self._slots[at]
        slot = next(at for at in range(SLOTS) if at not in self._slots)
        self._slots[slot] = _Slot(prompt, now)
        self.current = slot
        return slot

    def drop_others(self, caller: str, before: float) -> bool:
        """Take away what other callers have not used since; whether there was any."""
        stale = [
            at
            for at, slot in self._slots.items()
            if slot.used_at <= before and slot.prompt.caller != caller
        ]
        for at in stale:
            del self._slots[at]
            self.current = None if at == self.current else self.current
        return bool(stale)

    def values(self) -> Mapping[str, object]:
        """All of them, as a setting has them: the ones that it does not name lose theirs."""
        filled = {at: slot.prompt.text or NOTHING for at, slot in self._slots.items()}
        options = {f"p{at}": filled.get(at, "") for at in range(SLOTS)}
        return {SOURCE: {"options": options}}

    def _surplus(self, size: int) -> Iterator[int]:
        """The slots that must go for a new prompt of so many bytes, the oldest first."""
        sizes = {
            at: len(slot.prompt.text.encode(errors="surrogatepass"))
            for at, slot in self._slots.items()
        }
        count, total = len(sizes), sum(sizes.values())
        for at in sorted(sizes, key=lambda at: self._slots[at].used_at):
            if count < SLOTS and total + size <= MOST_BYTES:
                return
            count, total = count - 1, total - sizes[at]
            yield at
