"""The system prompt: one text, behind the CLI's own two blocks."""

from typing import Literal

from attrs import frozen

from trioproxy.claude.turn import Block
from trioproxy.dialects.blocks import check_text, check_text_block
from trioproxy.dialects.checks import a_list, by_type, kind
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

_BLOCKS = by_type({"text": check_text_block})

# What the CLI's own system blocks begin with, or are: it takes a caller's in their place.
_BILLING = "x-anthropic-billing-header:"
_IDENTITIES = {
    f"You are {name}."
    for name in (
        "Claude Code, Anthropic's official CLI for Claude",
        "Claude Code, Anthropic's official CLI for Claude, running within the Claude Agent SDK",
        "a Claude agent, built on Anthropic's Claude Agent SDK",
    )
}

_BOUNDARY = "__SYSTEM_PROMPT_DYNAMIC_BOUNDARY__"


@frozen
class System:
    """The system prompt as one text, and the lifetime of the cache breakpoint behind it.

    `breakpoints`: how many the caller has set; `is_exact`: whether that is one behind the end.
    """

    text: str = ""
    cache: Literal["", "5m", "1h"] = ""
    breakpoints: int = 0
    is_exact: bool = True


def read_system(value: object) -> System:
    """Read a system prompt. The CLI takes one text, and joins those of a list in this way too."""
    if value is None or value == "":
        return System()
    if isinstance(value, str):
        check_text(value, "system")
        blocks: list[Block] = [{"type": "text", "text": value}]
    elif isinstance(value, list):
        a_list(_BLOCKS)(value, "system")
        blocks = value
    else:
        raise InvalidRequest(
            Refusal.WRONG_TYPE, f"must be a string or a list, not {kind(value)}", path="system"
        )
    text = "\n\n".join(block["text"] for block in blocks)
    if text.startswith(_BILLING) or text in _IDENTITIES:
        raise InvalidRequest(
            Refusal.PROMPT_BOUNDARY, "is the CLI's own, which it says itself", path="system"
        )
    if _BOUNDARY in text.split("\n\n"):
        raise InvalidRequest(
            Refusal.PROMPT_BOUNDARY, f"the CLI takes the paragraph {_BOUNDARY} away", path="system"
        )
    cached = [block["cache_control"] for block in blocks if block.get("cache_control")]
    is_exact = not cached or (len(cached) == 1 and bool(blocks[-1].get("cache_control")))
    lifetime: Literal["", "5m", "1h"] = cached[-1].get("ttl", "5m") if cached else ""
    return System(text, lifetime, len(cached), is_exact)
