"""The official `anthropic` package as the client."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anthropic
import pytest
import trio

from tests.standin.requests import asking

OPTIONS: Any = {"api_key": "sk-any", "max_retries": 0}


@pytest.fixture
async def claude(base_url: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    http = anthropic.DefaultAsyncHttpxClient(verify=False)
    async with anthropic.AsyncAnthropic(base_url=base_url, http_client=http, **OPTIONS) as claude:
        yield claude


@pytest.fixture
def blocking_claude(base_url: str) -> Iterator[anthropic.Anthropic]:
    """For streams that break: the other one leaves its generators open, which Trio warns of."""
    http = anthropic.DefaultHttpxClient(verify=False)
    with anthropic.Anthropic(base_url=base_url, http_client=http, **OPTIONS) as claude:
        yield claude


async def test_whole(claude: anthropic.AsyncAnthropic) -> None:
    message = await claude.messages.create(**asking("hello"))
    [block] = message.content
    assert block.type == "text"
    assert block.text.endswith("the last one says: hello")
    assert message._request_id == "req_standin_000001"


async def test_streamed(claude: anthropic.AsyncAnthropic) -> None:
    async with claude.messages.stream(**asking("[[standin words=20]]")) as stream:
        words = [word async for word in stream.text_stream]
        message = await stream.get_final_message()
    assert words == [f"w{i} " for i in range(19)] + ["w19"]
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 20)


async def test_thinking_and_tools(claude: anthropic.AsyncAnthropic) -> None:
    text = '[[standin thinking="a b" text=c tool=weather input={"city":"Paris"} tool=time]]'
    async with claude.messages.stream(**asking(text)) as stream:
        message = await stream.get_final_message()
    thought, sent, weather, time = message.content
    assert thought.type == "thinking"
    assert thought.thinking == "a b"
    assert thought.signature
    assert sent.type == "text"
    assert sent.text == "c"
    assert weather.type == time.type == "tool_use"
    assert (weather.name, weather.input) == ("weather", {"city": "Paris"})
    assert (time.name, time.input) == ("time", {})
    assert message.stop_reason == "tool_use"


async def test_an_error(claude: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.RateLimitError, match="slow down"):
        await claude.messages.create(**asking('[[standin error=429 message="slow down"]]'))


async def test_models_and_tokens(claude: anthropic.AsyncAnthropic) -> None:
    assert [model.id async for model in claude.models.list()] == ["claude-standin"]
    body = asking("one two three")
    del body["max_tokens"]
    assert (await claude.messages.count_tokens(**body)).input_tokens == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[standin words=9 fail_after=3]]", "overloaded_error"),
        ("[[standin words=9 drop_after=3]]", "incomplete chunked read"),
    ],
)
async def test_a_stream_that_breaks(
    blocking_claude: anthropic.Anthropic, text: str, reason: str
) -> None:
    words: list[Any] = []

    def listen() -> None:
        with blocking_claude.messages.stream(**asking(text)) as stream:
            words.extend(stream.text_stream)

    with pytest.raises(Exception, match=reason):
        await trio.to_thread.run_sync(listen)
    assert words == ["w0 ", "w1 ", "w2 "]
