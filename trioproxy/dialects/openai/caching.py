"""Prompt caching: the breakpoints that a request has, and those that it gets.

OpenAI caches prompts by itself. Claude caches what stands before a breakpoint, and without one an
agent pays for its whole history again at every turn. So a request that has none gets

- one behind its tools and one behind its system prompt
- one behind its last message, where more will come: an assistant's turn is in it, tools are, or
  the caller names a `prompt_cache_key`. A single question would only pay for being kept.

Where a caller has set some, these are all: `cache_control`, as Claude's API has it, at a message,
a part, a call or a tool; or OpenAI's `prompt_cache_breakpoint` at a part. The CLI's own limits
hold here too: with one behind the system prompt there is one behind the last message.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from trioproxy.dialects.anthropic.cache_control import MOST, can_have_one, in_order
from trioproxy.dialects.json_checks import an_object, is_cache_control, nullable, one_of
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

Mark: TypeAlias = Mapping[str, Any]
"""A cache breakpoint, as Claude's API has it."""

USUAL: Mark = {"type": "ephemeral"}  # five minutes
FOR_AN_HOUR: Mark = {**USUAL, "ttl": "1h"}

_SHORT, _LONG = "30m", "12h"  # OpenAI's lifetimes
_BREAKPOINT = nullable(
    an_object(
        {"mode": one_of("explicit"), "ttl": nullable(one_of(_SHORT, _LONG))}, required={"mode"}
    )
)
_LIFETIME = "prompt_cache_breakpoint.ttl: Claude's cache keeps for five minutes, or for an hour"
_COMPARED = "prompt_cache_options.comparison_response_id without effect: nothing is stored"
JOINED = "cache_control: of texts that become one, behind their end"
_SURPLUS = f"cache_control: only the last {MOST} kept, Claude's API takes no more"


def mark_of(value: Mapping[str, Any], path: str, notes: list[str]) -> Mark | None:
    """The breakpoint that a caller has set behind a message, a part, a call or a tool.

    Raises `InvalidRequest`.
    """
    mark: Mark | None = value.get("cache_control")
    nullable(is_cache_control)(mark, f"{path}.cache_control")
    openais: Mark | None = value.get("prompt_cache_breakpoint")
    _BREAKPOINT(openais, f"{path}.prompt_cache_breakpoint")
    if mark is not None or openais is None:
        return mark
    if openais.get("ttl"):
        notes.append(_LIFETIME)
    return FOR_AN_HOUR if openais.get("ttl") == _LONG else USUAL


def marked(content: Sequence[dict[str, Any]], mark: Mark | None) -> list[dict[str, Any]]:
    """The blocks with a breakpoint behind the last."""
    if mark is None or not content:
        return [*content]
    return [*content[:-1], {**content[-1], "cache_control": mark}]


def last_mark(*marks: Mark | None) -> Mark | None:
    """The last that there is: of what becomes one text, all is before it."""
    return next((mark for mark in reversed(marks) if mark is not None), None)


def with_breakpoints(
    asked: Mapping[str, Any], data: Mapping[str, Any], *, is_cached: bool
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A Messages request with the breakpoints that it should have, and notes of its caller's.

    `data`: what the caller has sent; `is_cached`: whether it may get some of ours. Raises
    `InvalidRequest`.
    """
    options = data.get("prompt_cache_options", {})
    if options.get("prewarm"):
        path = "prompt_cache_options.prewarm"
        reason = "not supported by this server: each request is answered"
        raise InvalidRequest(Refusal.PARAMETER, reason, path=path)
    notes = (_COMPARED,) if options.get("comparison_response_id") else ()
    own = list(_marked_blocks(asked))
    if own:
        for block in own if options.get("ttl") == _LONG else ():
            block["cache_control"] = {"ttl": "1h", **block["cache_control"]}
        return {**asked}, (*notes, *_without_surplus(own))
    if not is_cached or options.get("mode") == "explicit":
        return {**asked}, notes
    mark = FOR_AN_HOUR if options.get("ttl") == _LONG else USUAL
    return _with_ours(asked, mark, has_key=bool(data.get("prompt_cache_key"))), notes


def _marked_blocks(asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    system = asked.get("system")
    blocks = [block for message in asked["messages"] for block in message["content"]]
    tools = asked.get("tools") or ()
    for block in (*tools, *(system if isinstance(system, list) else ()), *in_order((), blocks)):
        if block.get("cache_control"):
            yield block


def _without_surplus(own: list[dict[str, Any]]) -> Iterator[str]:
    """Take away what is too much: OpenAI's API takes any number."""
    for block in own[:-MOST]:
        del block["cache_control"]
        yield _SURPLUS


def _with_ours(asked: Mapping[str, Any], mark: Mark, *, has_key: bool) -> dict[str, Any]:
    found = {**asked}
    tools, messages = asked.get("tools"), asked["messages"]
    if tools:
        found["tools"] = marked(tools, mark)
    if asked.get("system"):
        found["system"] = [{"type": "text", "text": asked["system"], "cache_control": mark}]
    is_followed = tools or has_key or any(message["role"] == "assistant" for message in messages)
    if messages and is_followed:
        *before, last = messages
        at = [i for i, block in enumerate(last["content"], 1) if can_have_one(block)][-1:]
        for end in at:
            content = [*marked(last["content"][:end], mark), *last["content"][end:]]
            found["messages"] = [*before, {**last, "content": content}]
    return found
