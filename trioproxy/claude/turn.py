"""The internal form of a request, and of the events that answer it.

A `Turn` is a Messages API request, taken apart as far as the CLI needs it. What comes back are
the API's own streaming events, as dicts, untouched. There is no third format.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from attrs import Factory, frozen

Block: TypeAlias = dict[str, Any]
"""A content block as the API defines it: `{"type": "text", "text": "..."}` and so on."""

Event: TypeAlias = dict[str, Any]
"""A streaming event as the API defines it: `message_start` to `message_stop`."""


@frozen
class Message:
    """One message of a conversation; neighbours have different roles."""

    role: Literal["user", "assistant"]
    content: tuple[Block, ...]


@frozen
class Turn:
    """One request to the model.

    `messages` begins and ends with a user message. Without `max_tokens` the CLI takes what the
    model can give. `system` is one text; empty means none at all, and `system_cache` is the
    lifetime of the cache breakpoint behind it, empty for none.
    `caller` is whose request it is, by the name of the token; empty where there are none.
    `parameters` are the other top-level fields of the request, as the caller gave them, and
    `betas` the beta features that it asks for.
    """

    model: str
    max_tokens: int | None
    messages: tuple[Message, ...]
    system: str = ""
    system_cache: Literal["", "5m", "1h"] = ""
    parameters: Mapping[str, Any] = Factory(dict)
    betas: tuple[str, ...] = ()
    caller: str = ""
