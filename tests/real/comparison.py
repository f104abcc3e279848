"""The same request, asked of a stand-in directly and of another one through the server.

`compare` tells what differs. What the CLI always adds, and what it writes out though it is the
API's default, is taken away first; it is listed here, and nowhere else.
"""

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import orjson
import trio
from attrs import frozen

from tests.real.servers import NAMES, Running, running
from trioproxy.settings import PoolSettings
from trioproxy.standin import StandIn, serve_standin

POOL = PoolSettings(min_size=2, max_size=3)

# The CLI writes these out when the caller says nothing of them; they are what the API assumes.
DEFAULTS: Mapping[str, object] = {
    "temperature": 1,
    "thinking": {"type": "disabled"},
    "tools": [],
}
OWN_BETAS = {"claude-code-20250219", "oauth-2025-04-20", "effort-2025-11-24"}
OWN_SYSTEM = 2  # blocks


@frozen
class Asked:
    """What reached an API: the body, and the beta features."""

    body: dict[str, Any]
    betas: frozenset[str]
    own_words: int = 0  # that the CLI has added, as the stand-in counts tokens


@frozen
class Both:
    """Two ways to the same answer."""

    direct: anthropic.AsyncAnthropic
    through: anthropic.AsyncAnthropic
    standin: StandIn
    server: Running

    async def asked(self, given: Mapping[str, Any]) -> tuple[Asked, Asked]:
        """What the request since the last time was when it reached the API, each way.

        After an answer that was cut, the CLI's next call may have left before it was interrupted.
        """
        await self.server.settled()
        records = self.standin.record, self.server.standin.record
        (direct,), (through, *_) = (record.messages for record in records)
        for record in records:
            record.clear()
        return (
            Asked(as_blocks(direct.body), betas(direct.headers)),
            without_own(through.body, betas(through.headers), given),
        )

    async def forget(self) -> None:
        """What was asked before is none of the next test's."""
        await self.server.settled()
        for standin in self.standin, self.server.standin:
            standin.record.clear()
            standin.failures.clear()

    async def stream(self, request: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
        """The events of both answers."""
        found = []
        for client in (self.direct, self.through):
            events = await client.beta.messages.create(**request, stream=True)
            found.append([event.to_dict() async for event in events])
        return found[0], found[1]

    async def whole(self, request: Mapping[str, Any]) -> tuple[Any, Any]:
        """Both answers."""
        direct = await self.direct.beta.messages.create(**request)
        through = await self.through.beta.messages.create(**request)
        return direct.to_dict(), through.to_dict()


@asynccontextmanager
async def both_ways(
    tmp_path: Path, pool: PoolSettings = POOL, *, count_tokens: bool = False
) -> AsyncGenerator[Both]:
    """A stand-in, and a server in front of another one."""
    standin = StandIn()
    through = running(tmp_path, pool, count_tokens=count_tokens, openai=NAMES)
    async with through as server, trio.open_nursery() as nursery:
        url: str = await nursery.start(serve_standin, standin)
        direct = anthropic.AsyncAnthropic(base_url=url, api_key="any", max_retries=0)
        async with direct:
            yield Both(direct, server.client, standin, server)
        nursery.cancel_scope.cancel()


def betas(headers: Mapping[str, str]) -> frozenset[str]:
    return frozenset(filter(None, headers.get("anthropic-beta", "").split(",")))


def as_blocks(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body with each text as a block, and the system prompt as the one text of the CLI."""
    found = {k: v for k, v in body.items() if k != "stream"}
    found["messages"] = [
        {**message, "content": _blocks(message["content"])} for message in body["messages"]
    ]
    texts = [block["text"] for block in _blocks(found.pop("system", None) or [])]
    return {**found, "system": "\n\n".join(texts)}


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def without_own(body: Mapping[str, Any], asked: frozenset[str], given: Mapping[str, Any]) -> Asked:
    """A body of the CLI's, less what it adds to each."""
    own, system = body["system"][:OWN_SYSTEM], body["system"][OWN_SYSTEM:]
    assert [block["text"].split()[0] for block in own] == ["x-anthropic-billing-header:", "You"]
    found = as_blocks({**body, "system": system})
    for name, value in DEFAULTS.items():
        if name not in given and found.get(name) == value:
            del found[name]
    if "metadata" not in given:
        assert found.pop("metadata").keys() == {"user_id"}
    own_words = sum(len(block["text"].split()) for block in own)
    return Asked(found, asked - OWN_BETAS, own_words)


_STANDIN_ID = re.compile(rb"standin_\d{6}")


def same_ids(answer: object) -> Any:
    """An answer in which the stand-in's ids are all the same."""
    return orjson.loads(_STANDIN_ID.sub(b"standin", orjson.dumps(answer)))


def with_input_tokens(answer: Any, surplus: int) -> Any:
    """An answer, or a list of events, less the tokens of what the CLI has added."""
    found = same_ids(answer)
    for item in found if isinstance(found, list) else [found]:
        for usage in (item.get("usage"), (item.get("message") or {}).get("usage")):
            if usage is not None and usage.get("input_tokens"):
                usage["input_tokens"] = max(1, usage["input_tokens"] - surplus)
    return found
