"""The system prompt: one text, behind the CLI's own two blocks.

Claude Code and the Agent SDK say those two blocks themselves, a billing header and an identity.
The CLI writes them for each request, so a caller's go no further where they stand alone:

- a billing header is left out wherever it begins a block: the CLI would take it, and all behind
  it, for its own; its digits change with each conversation, so it must not tell prompts apart
- a line with the CLI's mark between the fixed and the changing part of a prompt is taken away: one
  more before the prompt is taken in its place
- an identity is a part of the prompt where more follows; alone, it counts as no prompt
"""

import re
from typing import Any, Literal

from attrs import frozen

from trioproxy.claude.turn import Block
from trioproxy.dialects.anthropic.blocks import check_text, check_text_block
from trioproxy.dialects.json_checks import a_list, by_type, is_blank, kind
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

_BLOCKS = by_type({"text": check_text_block})

_BILLING = re.compile(r"\A(?:[ \t]*x-anthropic-billing-header:[^\n]*(?:\n+|\Z))+")
_IDENTITIES = {
    f"You are {name}."
    for name in (
        "Claude Code, Anthropic's official CLI for Claude",
        "Claude Code, Anthropic's official CLI for Claude, running within the Claude Agent SDK",
        "a Claude agent, built on Anthropic's Claude Agent SDK",
    )
}

_BOUNDARY = "__SYSTEM_PROMPT_DYNAMIC_BOUNDARY__"

_NO_BILLING = "system: billing header left out, the CLI writes its own"
_NO_IDENTITY = "system: identity left out, the CLI writes its own"
_WITH_BOUNDARY = f"system: preceded by a line feed, so that its line {_BOUNDARY} arrives"
_ONE_BREAKPOINT = "cache_control: in `system`, only one is kept, at its end"


@frozen
class System:
    """The system prompt as one text, and the lifetime of the cache breakpoint behind it.

    `breakpoints`: how many the caller has set. `notes`: what was left out or moved.
    """

    text: str = ""
    cache: Literal["", "5m", "1h"] = ""
    breakpoints: int = 0
    notes: tuple[str, ...] = ()


def read_system(value: object) -> System:
    """Read a system prompt. The CLI takes one text, and joins those of a list in this way too.

    Raises `InvalidRequest`.
    """
    given = _blocks(value)
    texts = [_BILLING.sub("", block["text"]) for block in given]
    blocks = [
        {**block, "text": text}
        for block, text in zip(given, texts, strict=True)
        if not is_blank(text)
    ]
    has_billing = any(map(_BILLING.match, (block["text"] for block in given)))
    notes = [_NO_BILLING] if has_billing else []
    text = "\n\n".join(block["text"] for block in blocks)
    cached = [block["cache_control"] for block in given if block.get("cache_control")]
    if text in _IDENTITIES:
        blocks, text = [], ""
        notes.append(_NO_IDENTITY)
    if _has_boundary(text):
        # Of several such lines it is the first that the CLI takes away: then not the caller's.
        if not text.startswith("\n"):
            text = f"\n{text}"
            notes.append(_WITH_BOUNDARY)
        text = f"{_BOUNDARY}{text}"
    if cached and (len(cached) > 1 or not (blocks and blocks[-1].get("cache_control"))):
        notes.append(_ONE_BREAKPOINT)
    lifetime: Literal["", "5m", "1h"] = cached[-1].get("ttl", "5m") if cached and text else ""
    return System(text, lifetime, len(cached), tuple(notes))


def _blocks(value: Any) -> list[Block]:  # noqa: ANN401 - JSON
    if value is None or value == "":
        return []
    if isinstance(value, str):
        check_text(value, "system")
        return [{"type": "text", "text": value}]
    if isinstance(value, list):
        a_list(_BLOCKS)(value, "system")
        return value
    raise InvalidRequest(
        Refusal.WRONG_TYPE, f"must be a string or a list, not {kind(value)}", path="system"
    )


def _has_boundary(text: str) -> bool:
    return _BOUNDARY in text and _BOUNDARY in map(str.strip, text.splitlines())
