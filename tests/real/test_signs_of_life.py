"""Official clients of each dialect pass over the signs of life of a stream that shows nothing."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
import trio
from attrs import frozen

from tests.real.servers import MODEL, Running, running
from trioproxy.settings import PoolSettings, ServerSettings

pytestmark = [
    pytest.mark.real,
    # The package leaves the generators of its streams to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
]

THREE = PoolSettings(min_size=3, max_size=3)
IMPATIENT = ServerSettings(ping_interval=0.3, status_timeout=0.3)
THINKS = '[[standin first=0.8 thinking="a b c" text="yes" rate=2.5]]'
FAILS = '[[standin first=0.8 error=529 message="too much"]]'


def as_messages(ask: str) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": ask}], "stream": True}


ROUTES: dict[str, tuple[Callable[[str], dict[str, Any]], str, int]] = {
    "messages": (lambda ask: {**as_messages(ask), "max_tokens": 99}, "event: ping\n", 3),
    "chat/completions": (as_messages, ": ping\n\n", 6),
    "responses": (
        lambda ask: {"model": MODEL, "input": ask, "stream": True},
        "event: response.in_progress\n",
        6,
    ),
}
"""For each route its request, its sign of life, and how many there are at least."""


@frozen
class Official:
    """A server, and the official clients of it, which ask again as they do by default."""

    server: Running
    anthropic: anthropic.AsyncAnthropic
    openai: Any  # an `openai.AsyncOpenAI`, whose types want a literal of each dict


@asynccontextmanager
async def impatient(tmp_path: Path) -> AsyncGenerator[Official]:
    async with running(tmp_path, THREE, server=IMPATIENT) as server:
        claude = server.client.with_options(max_retries=2)
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="any") as client:
            yield Official(server, claude, client)


async def at_once(*asked: Callable[[], Awaitable[None]]) -> None:
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for item in asked:
                nursery.start_soon(item)


async def test_hidden_thoughts_and_a_late_beginning_have_signs_of_life(tmp_path: Path) -> None:
    async with impatient(tmp_path) as official:

        def raw(route: str) -> Callable[[], Awaitable[None]]:
            async def ask() -> None:
                body, sign, least = ROUTES[route]
                async with httpx.AsyncClient(timeout=30) as http:
                    url = f"{official.server.url}/v1/{route}"
                    response = await http.post(url, json=body(THINKS))
                assert response.status_code == 200
                assert response.text.count(sign) >= least
                assert "yes" in response.text

            return ask

        async def messages() -> None:
            request: Any = {**as_messages(THINKS), "max_tokens": 99}
            del request["stream"]
            async with official.anthropic.messages.stream(**request) as stream:
                assert await stream.get_final_text() == "yes"

        async def chat() -> None:
            stream = await official.openai.chat.completions.create(**as_messages(THINKS))
            message = [chunk.choices[0].delta.content async for chunk in stream]
            assert "".join(filter(None, message)) == "yes"

        async def responses() -> None:
            async with official.openai.responses.stream(model=MODEL, input=THINKS) as stream:
                numbers = [event.sequence_number async for event in stream]
                assert (await stream.get_final_response()).output_text == "yes"
            assert numbers == list(range(len(numbers)))

        await at_once(*map(raw, ROUTES))
        await at_once(messages, chat, responses)
        assert len(official.server.asked()) == 6


async def test_what_fails_after_the_beginning_is_told_as_each_api_tells_it(
    tmp_path: Path,
) -> None:
    async with impatient(tmp_path) as official:

        async def messages() -> None:
            request: Any = {**as_messages(FAILS), "max_tokens": 99}
            stream = await official.anthropic.messages.create(**request)
            with pytest.raises(anthropic.APIStatusError) as caught:
                async for _ in stream:
                    pass
            assert caught.value.body["error"]["type"] == "overloaded_error"  # type: ignore[index]

        async def chat() -> None:
            stream = await official.openai.chat.completions.create(**as_messages(FAILS))
            with pytest.raises(openai.APIError, match="too much"):
                async for _ in stream:
                    pass

        async def responses() -> None:
            stream = await official.openai.responses.create(model=MODEL, input=FAILS, stream=True)
            assert (await anext(stream)).type == "response.created"
            with pytest.raises(openai.APIError, match="too much"):
                async for _ in stream:
                    pass

        await at_once(messages, chat, responses)
        assert len(official.server.asked()) == 3
