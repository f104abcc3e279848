"""The `anthropic` package's own ways of asking, each directly and through the server."""

from pathlib import Path
from typing import Any, TypeAlias

import anthropic
import pydantic
import pytest
import trio
from anthropic import beta_async_tool

from tests.real.background import there
from tests.real.comparison import Both, as_blocks, betas, same_ids, without_own
from tests.real.servers import MODEL, NOT_NEEDED, Running, running
from trioproxy.claude.turn import Event
from trioproxy.dialects.whole_message import WholeAnswer

pytestmark = pytest.mark.real

Client: TypeAlias = anthropic.AsyncAnthropic


def says(text: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"model": MODEL, "max_tokens": 1000, "messages": messages}


HELPED = {"text", "thinking", "input_json", "content_block_stop"}


async def same_asked(both: Both, count: int = 1) -> None:
    """What reached the API was the same, each time."""
    await both.server.settled()
    records = both.standin.record.messages, both.server.standin.record.messages
    assert [len(record) for record in records] == [count, count]
    for direct, through in zip(*records, strict=True):
        expected = as_blocks(direct.body)
        found = without_own(through.body, betas(through.headers), direct.body)
        # A block of the first leg comes back with the id that it was given, each way.
        assert same_ids(found.body) == same_ids(expected)
        assert found.betas == betas(direct.headers)


class City(pydantic.BaseModel):
    name: str
    people: int


WHERE = """[[standin text="{\\"name\\": \\"Bern\\", \\"people\\": 134000}"]]"""


@there
async def test_the_helpers_of_a_stream(both: Both) -> None:
    async def helped(client: Client) -> list[object]:
        found: list[object] = []
        question = says('[[standin thinking="hm" text="one two" tool=get_time input={"a":1}]]')
        async with client.messages.stream(**question) as stream:
            found += [same_ids(item.to_dict()) async for item in stream if item.type in HELPED]
            found.append(await stream.get_final_text())
            final = await stream.get_final_message()
        return [*found, same_ids(final.to_dict())["content"], final.stop_reason]

    assert await helped(both.through) == await helped(both.direct)
    await same_asked(both)


@there
async def test_the_text_of_a_stream(server: Running) -> None:
    async with server.client.messages.stream(**says("[[standin words=5]]")) as stream:
        sent = [text async for text in stream.text_stream]
    assert "".join(sent) == "w0 w1 w2 w3 w4"


@there
async def test_structured_output(both: Both) -> None:
    async def parsed(client: Client) -> list[object]:
        whole = await client.messages.parse(**says(WHERE), output_format=City)
        async with client.messages.stream(**says(WHERE), output_format=City) as stream:
            streamed = await stream.get_final_message()
        return [whole.parsed_output, streamed.parsed_output]

    assert await parsed(both.through) == [City(name="Bern", people=134_000)] * 2
    assert await parsed(both.direct) == [City(name="Bern", people=134_000)] * 2
    await same_asked(both, count=2)


@there
async def test_a_loop_of_tools(both: Both) -> None:
    calls = []

    @beta_async_tool
    async def get_weather(city: str) -> str:  # noqa: ASYNC124 - the package takes no other
        """The weather in a city."""
        calls.append(city)
        return f"Sunny in {city}."

    async def looped(client: Client) -> str:
        ask = '[[standin tool=get_weather input={"city":"Zürich"}]]'
        runner = client.beta.messages.tool_runner(**says(ask), tools=[get_weather])
        return str((await runner.until_done()).stop_reason)

    # Directly, the package has the API keep the conversation. It is told that this server
    # does not, and sends the whole of it.
    assert await looped(both.through) == await looped(both.direct) == "end_turn"
    first, second = both.server.asked()
    assert calls == ["Zürich", "Zürich"]
    assert [tool["name"] for tool in first["tools"]] == ["get_weather"]
    asked, called, answered = second["messages"]
    (call,), (answer,) = called["content"], answered["content"]
    assert call["type"] == "tool_use"
    assert call["input"] == {"city": "Zürich"}
    assert answer["tool_use_id"] == call["id"]
    assert "Sunny in Zürich" in str(answer["content"])
    assert asked["content"][0]["text"].startswith("[[standin tool")


@there
async def test_a_loop_of_whole_conversations_is_the_same(both: Both) -> None:
    @beta_async_tool
    async def get_weather(city: str) -> str:  # noqa: ASYNC124 - the package takes no other
        """The weather in a city."""
        return f"Sunny in {city}."

    async def looped(client: Client) -> object:
        ask = '[[standin text="So." tool=get_weather input={"city":"Bern"}]]'
        runner = client.beta.messages.tool_runner(**says(ask), tools=[get_weather], thread=False)
        return same_ids((await runner.until_done()).to_dict()["content"])

    assert await looped(both.through) == await looped(both.direct)
    await same_asked(both, count=2)


@there
async def test_the_synchronous_client_asks_the_same(both: Both) -> None:
    def ask(url: str) -> list[object]:
        with anthropic.Anthropic(base_url=url, api_key="any", max_retries=0) as client:
            whole = client.messages.create(**says("hello"), system="Be brief.")
            with client.messages.stream(
                **says("[[standin words=3]]"), stop_sequences=["x"]
            ) as stream:
                streamed = stream.get_final_message()
            parsed = client.messages.parse(**says(WHERE), output_format=City).parsed_output
        return [same_ids(whole.to_dict())["content"], streamed.to_dict()["content"], parsed]

    through = await trio.to_thread.run_sync(ask, str(both.through.base_url))
    assert through == await trio.to_thread.run_sync(ask, str(both.direct.base_url))
    await same_asked(both, count=3)


@there
async def test_counted_directly_and_through_the_server(both: Both) -> None:
    given: dict[str, Any] = {
        **says("three four five"),
        "system": [{"type": "text", "text": "one two"}],
        "tools": [{"name": "get_time", "input_schema": {"type": "object"}}],
    }
    del given["max_tokens"]
    direct = await both.direct.messages.count_tokens(**given)
    through = await both.through.messages.count_tokens(**given)
    (subject,) = [r.body for r in both.standin.record if "count" in r.path]
    (other,) = [r.body for r in both.server.standin.record if "count" in r.path]
    assert through == direct
    assert other == subject == given


@there
async def test_the_synchronous_client(server: Running) -> None:
    def ask(url: str) -> list[object]:
        with anthropic.Anthropic(base_url=url, api_key="any", max_retries=0) as client:
            whole = client.messages.create(**says("hello"))
            with client.messages.stream(**says("[[standin words=3]]")) as stream:
                text = "".join(stream.text_stream)
            models = [model.id for model in client.models.list()]
        return [whole.content[0].to_dict(), text, models]

    whole, text, models = await trio.to_thread.run_sync(ask, server.url)
    assert isinstance(whole, dict)
    assert str(whole["text"]).endswith("says: hello")
    assert text == "w0 w1 w2"
    assert isinstance(models, list)
    assert models


async def test_models(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        client = server.client
        listed = [model async for model in client.models.list()]
        first = await client.models.list(limit=1)
        rest = await client.models.list(after_id=first.data[0].id)
        before = await client.models.list(before_id=listed[-1].id, limit=2)
        subject = await client.models.retrieve(listed[0].id)
        short = await client.models.retrieve("haiku")
        with pytest.raises(anthropic.NotFoundError, match="model: claude-none"):
            await client.models.retrieve("claude-none")
        with pytest.raises(anthropic.BadRequestError, match="limit: must be 1 to 1000"):
            await client.models.list(limit=0)
        with pytest.raises(anthropic.BadRequestError, match="after_id: there is no model"):
            await client.models.list(after_id="claude-none")
        stats = await server.settled()
    ids = [model.id for model in listed]
    assert len(ids) == len(set(ids)) >= 3
    assert all(one_id.startswith("claude-") for one_id in ids)
    assert first.has_more
    assert [model.id for model in [*first.data, *rest.data]] == ids
    assert [model.id for model in before.data] == ids[-3:-1]
    assert subject.id == ids[0]
    assert subject.display_name.startswith("Claude ")
    assert short.id.startswith("claude-haiku-")
    # No process of the pool was bound for it.
    assert [(worker.bound, worker.uses) for worker in stats.workers] == [(False, 0)]
    assert stats.connections_created == 1


async def test_models_that_a_turn_has_told_cost_no_process(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        await server.client.messages.create(**says("hello"))
        assert server.server.pool.models.known.listed
        listed = [model.id async for model in server.client.models.list()]
        await server.client.messages.create(**{**says("hello"), "model": "haiku"})
        (full,) = [item for item in listed if item.startswith("claude-haiku-")]
    assert server.asked()[-1]["model"] == full


@there
async def test_tokens_are_counted_by_the_api(server: Running) -> None:
    counted = await server.client.messages.count_tokens(
        model="claude-opus-4-5",
        system="one two",
        messages=[{"role": "user", "content": "three four five"}],
    )
    (request,) = [item for item in server.standin.record if "count_tokens" in item.path]
    with pytest.raises(anthropic.BadRequestError, match="messages: Input should be"):
        await server.client.messages.count_tokens(model=MODEL, messages=None)  # type: ignore[arg-type]
    assert counted.input_tokens == 5
    assert request.body == {
        "model": "claude-opus-4-5",
        "system": "one two",
        "messages": [{"role": "user", "content": "three four five"}],
    }


async def test_without_a_key_counting_says_what_is_missing(tmp_path: Path) -> None:
    async with running(tmp_path, NOT_NEEDED) as server:
        with pytest.raises(anthropic.APIStatusError) as caught:
            await server.client.messages.count_tokens(
                model=MODEL, messages=[{"role": "user", "content": "hello"}]
            )
    assert caught.value.status_code == 501
    assert "`[count_tokens] api_key`" in caught.value.message


@there
async def test_whole_answers_are_made_of_the_stream(server: Running) -> None:
    ask = '[[standin thinking="hm" text="one two" tool=get_time input={"a":"b"}]]'
    raw = await server.client.messages.create(**says(ask), stream=True)
    events: list[Event] = [event.to_dict() async for event in raw]
    whole = (await server.client.messages.create(**says(ask))).to_dict()
    made = WholeAnswer()
    for event in events:
        made.add(event)
    assert same_ids(made.message) == same_ids(whole)
    assert whole["stop_reason"] == "tool_use"
