"""Pure: the conversation that stands in a process between two turns, and what of it another has.

After a turn, what stands before its last plain user message may stay: a turn that begins with the
same messages goes on from there. It is told by hashes, so that no word of a caller is kept here.
"""

from collections.abc import Sequence
from functools import cached_property
from hashlib import blake2b

import orjson
from attrs import define, frozen

from trioproxy.claude.prompts import Prompt
from trioproxy.claude.turn import Message, Turn

_TRACELESS = frozenset(
    {"temperature", "top_p", "top_k", "stop_sequences", "metadata", "tools", "tool_choice"}
)
"""Parameters that change nothing of what stands: tests/real/test_conversations.py."""


@define(eq=False)
class Asked:
    """A turn, as far as a choice among processes goes. Hashes are made where they are needed."""

    _turn: Turn

    @cached_property
    def prompt(self) -> Prompt:
        """Its system prompt, and whose it is."""
        return Prompt(self._turn.caller, self._turn.system)

    @cached_property
    def context(self) -> bytes:
        """A hash of all that a conversation hangs on, its caller among it."""
        turn = self._turn
        kept = {name: v for name, v in turn.parameters.items() if name not in _TRACELESS}
        about = [turn.caller, turn.system, turn.system_cache, turn.model, turn.betas, kept]
        return _hash(about)

    @cached_property
    def messages(self) -> tuple[bytes, ...]:
        """A hash of each message, less the last, which is the query."""
        return tuple(map(hash_of, self._turn.messages[:-1]))


@frozen
class Standing:
    """A message that stands in a process.

    `is_users`: it is the user's; `is_plain`: and answers no call.
    """

    hash: bytes
    uuid: str
    is_users: bool
    is_plain: bool

    @classmethod
    def of(cls, message: Message, uuid: str, hash_: bytes = b"") -> "Standing":
        """A message that was written with this uuid."""
        is_result = any(block.get("type") == "tool_result" for block in message.content)
        is_users = message.role == "user"
        return cls(hash_, uuid, is_users, is_users and not is_result)


@frozen
class Conversation:
    """What stands in a process: nothing, or messages that end with one of the assistant's.

    `last_uuid`: of the last user message that stands.
    """

    context: bytes = b""
    messages: tuple[Standing, ...] = ()
    last_uuid: str = ""

    def common(self, asked: Asked) -> int:
        """How many of the messages can stay for a turn: all, or up to a plain user message."""
        if not self.messages or self.context != asked.context:
            return 0
        count = 0
        for standing, other in zip(self.messages, asked.messages, strict=False):
            if standing.hash != other:
                break
            count += 1
        return count if count == len(self.messages) else last_plain(self.messages, count)


def last_plain(messages: Sequence[Standing], at: int) -> int:
    """The last plain user message at or before `at`; 0 if there is none."""
    return next((i for i in range(at, 0, -1) if messages[i].is_plain), 0)


def hash_of(message: Message) -> bytes:
    """A hash of a message as it would be written."""
    return _hash([message.role, message.content])


def _hash(value: object) -> bytes:
    data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return blake2b(data, digest_size=16).digest()
