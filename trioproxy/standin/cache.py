"""What the API caches of prompts, and how its usage counts that.

Source: https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching. A prompt is its tools,
its system prompt and its messages, block by block. What stands before a breakpoint is kept, for
five minutes or an hour since it was last used, if it is long enough. A later prompt that begins
with the same blocks reads it, if that ends at a breakpoint of its own or up to 20 blocks before.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from itertools import pairwise
from typing import Any

import orjson
from attrs import define, field, frozen

from trioproxy.standin.bodies import Body, count_words
from trioproxy.standin.errors import ApiError

LOOKBACK = 20  # blocks, the one with the breakpoint among them
MOST = 4  # breakpoints in a request
LIFETIMES = {"5m": 300.0, "1h": 3600.0}  # seconds

_BILLING = "x-anthropic-billing-header:"


@frozen
class _Prefix:
    """A prompt up to and with one of its blocks."""

    key: bytes
    tokens: int
    ttl: str
    """Of a breakpoint behind that block; empty: there is none."""


@define(eq=False)
class PromptCache:
    """The prompts that are kept. `minimum`: the tokens that a prompt must have to be kept."""

    minimum: int = 1024
    _until: dict[bytes, float] = field(factory=dict, init=False)

    def usage(self, body: Body, now: float) -> dict[str, Any]:
        """How the usage counts this prompt, which is kept now; nothing if the cache has no part.

        `now`: in seconds. Raises `ApiError` 400 for more breakpoints than the API takes.
        """
        if not any(_ttl(block) for _, block in _blocks(body)):
            return {}
        prefixes = list(_prefixes(body))
        marked = [at for at, prefix in enumerate(prefixes) if prefix.ttl]
        if len(marked) > MOST:
            raise ApiError(
                400,
                f"A maximum of {MOST} blocks with cache_control may be provided. "
                f"Found {len(marked)}.",
            )
        hit = max((self._hit(prefixes, at, now) for at in marked), default=-1)
        read = prefixes[hit].tokens if hit >= 0 else 0
        if hit >= 0:
            self._until[prefixes[hit].key] = now + _lifetime(prefixes, hit)
        kept = [prefixes[at] for at in marked if at > hit and prefixes[at].tokens >= self.minimum]
        written = dict.fromkeys(LIFETIMES, 0)
        for before, prefix in pairwise([_Prefix(b"", read, ""), *kept]):
            written[prefix.ttl] += prefix.tokens - before.tokens
            self._until[prefix.key] = now + LIFETIMES[prefix.ttl]
        if not read and not kept:
            return {}
        return {
            "input_tokens": prefixes[-1].tokens - read - sum(written.values()),
            "cache_creation_input_tokens": sum(written.values()),
            "cache_read_input_tokens": read,
            "cache_creation": {
                f"ephemeral_{ttl}_input_tokens": tokens for ttl, tokens in written.items()
            },
        }

    def clear(self) -> None:
        """Keep nothing any longer."""
        self._until.clear()

    def _hit(self, prefixes: list[_Prefix], at: int, now: float) -> int:
        """The longest that is kept, of those that the breakpoint there looks for; or -1."""
        looked_at = range(at, max(at - LOOKBACK, -1), -1)
        return next((i for i in looked_at if self._until.get(prefixes[i].key, 0.0) > now), -1)


def _lifetime(prefixes: list[_Prefix], hit: int) -> float:
    """How long what was read is kept on: as the next breakpoint says."""
    return LIFETIMES[next(prefix.ttl for prefix in prefixes[hit:] if prefix.ttl)]


def _prefixes(body: Body) -> Iterator[_Prefix]:
    digest = sha256(orjson.dumps(body["model"]))
    tokens = 0
    for place, block in _blocks(body):
        digest.update(orjson.dumps([place, _without_marks(block)], option=orjson.OPT_SORT_KEYS))
        tokens += count_words(block)
        yield _Prefix(digest.digest(), tokens, _ttl(block))


def _blocks(body: Body) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All blocks in the order of the prompt, each with where it stands."""
    for tool in body.get("tools") or ():
        yield "tools", tool
    for block in _as_blocks(body.get("system") or []):
        # Its digits change with each conversation; a cache that counted them would never be read.
        if not str(block.get("text")).startswith(_BILLING):
            yield "system", block
    for message in body["messages"]:
        for block in _as_blocks(message["content"]):
            yield message["role"], block


def _as_blocks(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _ttl(block: Mapping[str, Any]) -> str:
    """The lifetime of a breakpoint at the block, or at one of those in it."""
    content = block.get("content")
    for place in (block, *(content if isinstance(content, list) else ())):
        if mark := place.get("cache_control"):
            return str(mark.get("ttl", "5m"))
    return ""


def _without_marks(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return list(map(_without_marks, value))
    if isinstance(value, dict):
        return {k: _without_marks(v) for k, v in value.items() if k != "cache_control"}
    return value
