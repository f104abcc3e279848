"""Prompts that are kept, and how the usage counts them: as the API documents it."""

from collections.abc import Mapping
from typing import Any

import pytest

from trioproxy.standin import ApiError, PromptCache

MARK = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def text(words: str, mark: Mapping[str, Any] = {}) -> dict[str, Any]:
    return {"type": "text", "text": words, **mark}


def body(*blocks: dict[str, Any], **other: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": [*blocks]}]
    return {"model": "claude-x", "messages": messages, **other}


def counted(usage: Mapping[str, Any]) -> tuple[int, int, int]:
    """What was read, what was written, and the rest."""
    return (
        usage["cache_read_input_tokens"],
        usage["cache_creation_input_tokens"],
        usage["input_tokens"],
    )


@pytest.fixture
def cache() -> PromptCache:
    return PromptCache(minimum=3)


def test_a_prompt_is_written_then_read_then_forgotten(cache: PromptCache) -> None:
    first = body(text("a b c", MARK), text("d e"))
    assert counted(cache.usage(first, 0)) == (0, 3, 2)
    assert counted(cache.usage(first, 200)) == (3, 0, 2)
    assert counted(cache.usage(first, 499)) == (3, 0, 2)  # it was used since
    assert counted(cache.usage(first, 800)) == (0, 3, 2)


def test_a_conversation_writes_what_is_new(cache: PromptCache) -> None:
    first = body(text("a b c", MARK))
    assert counted(cache.usage(first, 0)) == (0, 3, 0)
    longer = body(text("a b c"), text("d e f g", MARK), text("h"))
    assert counted(cache.usage(longer, 1)) == (3, 4, 1)
    assert counted(cache.usage(longer, 2)) == (7, 0, 1)


def test_tools_stand_before_the_system_prompt(cache: PromptCache) -> None:
    tools = [{"name": "f", "description": "a b c", **MARK}]
    first = body(text("hi"), tools=tools, system=[text("d e f", MARK)])
    assert counted(cache.usage(first, 0)) == (0, 6, 1)
    other = body(text("hi"), tools=tools, system=[text("x y", MARK)])
    assert counted(cache.usage(other, 1)) == (3, 2, 1)


def test_a_short_prompt_is_not_kept(cache: PromptCache) -> None:
    short = body(text("a b", MARK), text("c d"))
    assert cache.usage(short, 0) == {}
    assert cache.usage(short, 1) == {}


def test_a_breakpoint_looks_20_blocks_back(cache: PromptCache) -> None:
    before = [text("a b c")]
    cache.usage(body(text("a b c", MARK)), 0)
    near = body(*before, *[text("x")] * 18, text("y", MARK))
    assert counted(cache.usage(near, 1)) == (3, 19, 0)
    cache.clear()
    cache.usage(body(text("a b c", MARK)), 0)
    far = body(*before, *[text("x")] * 19, text("y", MARK))
    assert counted(cache.usage(far, 1)) == (0, 23, 0)


def test_the_lifetimes_are_counted_apart(cache: PromptCache) -> None:
    asked = body(text("a b c", HOUR), text("d e", MARK))
    usage = cache.usage(asked, 0)
    assert usage["cache_creation"] == {
        "ephemeral_5m_input_tokens": 2,
        "ephemeral_1h_input_tokens": 3,
    }
    assert counted(cache.usage(asked, 1000)) == (3, 2, 0)


def test_another_model_reads_nothing(cache: PromptCache) -> None:
    asked = body(text("a b c", MARK))
    cache.usage(asked, 0)
    assert counted(cache.usage({**asked, "model": "claude-y"}, 1)) == (0, 3, 0)


def test_the_billing_header_of_the_cli_counts_for_nothing(cache: PromptCache) -> None:
    for at, digits in enumerate(("1", "2")):
        system = [text(f"x-anthropic-billing-header: cc_version={digits};"), text("a b c", MARK)]
        usage = cache.usage(body(text("hi"), system=system), at)
        assert counted(usage) == ((3, 0, 1) if at else (0, 3, 1))


def test_a_breakpoint_inside_a_result_counts(cache: PromptCache) -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": [text("a b c", MARK)]}
    assert counted(cache.usage(body(result), 0)) == (0, 3, 0)


def test_without_a_breakpoint_there_is_nothing_to_say(cache: PromptCache) -> None:
    assert cache.usage(body(text("a b c")), 0) == {}


def test_five_breakpoints_are_refused(cache: PromptCache) -> None:
    with pytest.raises(ApiError, match="maximum of 4"):
        cache.usage(body(*[text("a", MARK)] * 5), 0)
