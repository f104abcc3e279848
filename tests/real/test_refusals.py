"""A refusal of the model is an answer: asked for once, and told as the dialect tells it."""

from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.responses import Response

from tests.messages import user
from tests.real.comparison import both_ways, same_ids
from tests.real.servers import MODEL, ONE, Running, running

pytestmark = [
    pytest.mark.real,
    # The package leaves the generators of its streams to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
]

WHY = "too much"
NO_REASON = "The model refused to answer."
# What is asked for, the text before the refusal, and the reason that is given.
REFUSALS = [
    (f'[[standin words=3 refusal="{WHY}"]]', "w0 w1 w2", WHY),
    ('[[standin thinking="hm" text="no" refusal]]', "no", NO_REASON),
    ('[[standin text="" refusal]]', "", NO_REASON),
    (f'[[standin refusal="{WHY}"]]', "", WHY),
]


def without_usage(answer: Any) -> Any:
    """An answer, or events, as they are for every number of tokens and of request."""
    if isinstance(answer, list):
        return [without_usage(item) for item in answer]
    if isinstance(answer, dict):
        return {k: without_usage(v) for k, v in answer.items() if k != "usage"}
    return answer


async def served_on(server: Running, answers: int) -> None:
    """The process that has given so many answers is clean, and answers once more."""
    request: Any = {"model": MODEL, "max_tokens": 1000, "messages": [user("hi")]}
    await server.client.messages.create(**request)
    assert server.asked()[-1]["messages"] == [user("hi")]
    assert len(server.asked()) == answers + 1  # each was asked for once
    (worker,) = (await server.settled()).workers
    assert worker.uses == answers + 1


async def test_a_refusal_is_what_the_api_sends(tmp_path: Path) -> None:
    async with both_ways(tmp_path, ONE) as both:
        clients = [item.with_options(max_retries=2) for item in (both.direct, both.through)]
        for ask, _, _ in REFUSALS:
            request: Any = {"model": MODEL, "max_tokens": 1000, "messages": [user(ask)]}
            direct, through = [
                (await client.messages.create(**request)).to_dict() for client in clients
            ]
            assert through["stop_reason"] == "refusal"
            assert without_usage(same_ids(through)) == without_usage(same_ids(direct))
            streams = []
            for client in clients:
                stream = await client.messages.create(**request, stream=True)
                streams.append([event.to_dict() async for event in stream])
            assert without_usage(same_ids(streams[1])) == without_usage(same_ids(streams[0]))
        await served_on(both.server, 2 * len(REFUSALS))


async def test_a_refusal_is_told_in_openais_words(tmp_path: Path) -> None:
    async with running(tmp_path, ONE) as server:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="any") as client:
            for ask, text, why in REFUSALS:
                await _chats(client, ask, text, why)
                await _responses(client, ask, text, why)
        await served_on(server, 4 * len(REFUSALS))


async def _chats(client: openai.AsyncOpenAI, ask: str, text: str, why: str) -> None:
    request: Any = {"model": MODEL, "messages": [{"role": "user", "content": ask}]}
    (choice,) = (await client.chat.completions.create(**request)).choices
    assert choice.finish_reason == "content_filter"
    assert (choice.message.content or "", choice.message.refusal) == (text, why)
    stream: Any = await client.chat.completions.create(**request, stream=True)
    choices = [chunk.choices[0] async for chunk in stream]
    assert "".join(item.delta.content or "" for item in choices) == text
    assert "".join(item.delta.refusal or "" for item in choices) == why
    assert choices[-1].finish_reason == "content_filter"


async def _responses(client: openai.AsyncOpenAI, ask: str, text: str, why: str) -> None:
    whole = await client.responses.create(model=MODEL, input=ask)
    async with client.responses.stream(model=MODEL, input=ask) as stream:
        kinds = [event.type async for event in stream]
        streamed = await stream.get_final_response()
    assert "response.refusal.done" in kinds
    for response in (whole, streamed):
        assert (response.output_text, _refusals(response)) == (text, [why])


def _refusals(response: Response) -> list[str]:
    messages = [item for item in response.output if item.type == "message"]
    parts = [part for item in messages for part in item.content]
    return [part.refusal for part in parts if part.type == "refusal"]
