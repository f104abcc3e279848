"""Pure: what is wrong with what the API was asked for a turn."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeAlias

from trioproxy.claude.turn import Turn
from trioproxy.standin import RecordedRequest

OWN_SYSTEM = 2  # blocks of the CLI's own before the prompt
REMINDER = "<system-reminder>"  # of the CLI's own words, where it is not bare

_OWN_FIELDS = {
    "model", "max_tokens", "messages", "system", "stream", "metadata",
    "context_management", "output_config",
}  # fmt: skip
"""What the CLI sends with each request."""

Body: TypeAlias = Mapping[str, Any]


def problem(turn: Turn, asked: Sequence[RecordedRequest]) -> str:
    """The first thing that is not as it was said; empty: all is. `asked`: all that the API was."""
    if len(asked) != 1:
        return f"the API was asked {len(asked)} times"
    betas = set(asked[0].headers.get("anthropic-beta", "").replace(" ", "").split(","))
    if not betas.issuperset(turn.betas):
        return "the beta features did not arrive as they were given"
    body = asked[0].body
    return next(chain(_of_words(turn, body), _of_fields(turn, body), _added(turn, body)), "")


def _of_words(turn: Turn, body: Body) -> Iterator[str]:
    prompt = body["system"][OWN_SYSTEM:]
    if [block["text"] for block in prompt] != ([turn.system] if turn.system else []):
        yield "the system prompt did not arrive as it was given"
    cached = [block["cache_control"].get("ttl", "5m") for block in prompt if _is_cached(block)]
    if cached != ([turn.system_cache] if turn.system_cache else []):
        yield "the system prompt was not cached as it was asked for"
    if _messages(body) != [(message.role, list(message.content)) for message in turn.messages]:
        yield "the conversation did not arrive as it was given"


def _of_fields(turn: Turn, body: Body) -> Iterator[str]:
    expected = {"model": turn.model, "max_tokens": turn.max_tokens, **turn.parameters}
    for name, value in expected.items():
        if body.get(name) != value:
            yield f"{name} did not arrive as it was given"


def _added(turn: Turn, body: Body) -> Iterator[str]:
    """What says something that nobody has asked for."""
    is_harmless = {
        "tools": body.get("tools") in (None, []),
        "thinking": body.get("thinking", {}).get("type") != "enabled",
        "temperature": body.get("temperature", 1) == 1,
    }
    for name in body:
        is_own = is_harmless.get(name, name in _OWN_FIELDS)
        if name not in turn.parameters and not is_own:
            yield f"{name} was added"


def _is_cached(block: Body) -> bool:
    return "cache_control" in block


def _messages(body: Body) -> list[tuple[str, list[dict[str, Any]]]]:
    """The conversation, less the CLI's own reminders and its marks of what may be cached."""
    found = []
    for message in body["messages"]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        kept = [_unmarked(block) for block in blocks if not _is_reminder(block)]
        if kept and message["role"] != "system":
            found.append((str(message["role"]), kept))
    return found


def _is_reminder(block: Body) -> bool:
    return str(block.get("text", "")).startswith(REMINDER)


def _unmarked(block: Body) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name != "cache_control"}
