"""The official `openai` package, as its users use it; what reaches the API, and what comes back."""

import base64
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pydantic
import pytest
import trio
from attrs import evolve, frozen

from tests.messages import assistant as answered
from tests.messages import image, png, result, use, user
from tests.real.background import Background, in_background, there
from tests.real.comparison import as_blocks, without_own
from tests.real.servers import MODEL, NAMES, ONE, ROOMY, Running, running
from trioproxy.claude.turn import Event
from trioproxy.settings import ServerSettings

pytestmark = [
    pytest.mark.real,
    # The package leaves the generators of its streams to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
]


@frozen
class Speaking:
    """A server that runs, and OpenAI's client of it."""

    server: Running
    client: Any  # an `openai.AsyncOpenAI`, whose types want a literal of each dict

    @property
    def unprefixed(self) -> Any:
        """The client of the same routes where Anthropic's are too."""
        return self.client.with_options(base_url=f"{self.server.url}/v1")

    async def forget(self) -> None:
        """What was asked before is none of the next test's."""
        await self.server.settled()
        self.server.standin.record.clear()

    async def asked(self, **given: object) -> dict[str, Any]:
        """The last request that reached the API, less what the CLI adds."""
        await self.server.settled()
        body = self.server.asked()[-1]
        self.server.standin.record.clear()
        return without_own(body, frozenset(), given).body


@asynccontextmanager
async def speaking(tmp_path: Path) -> AsyncGenerator[Speaking]:
    uncached = evolve(NAMES, prompt_caching=False)  # test_prompt_caching.py has it
    async with running(tmp_path, ROOMY, openai=uncached) as server:
        official = openai.AsyncOpenAI(
            base_url=f"{server.url}/openai/v1", api_key="any", max_retries=0, timeout=30
        )
        async with official as client:
            yield Speaking(server, client)


@pytest.fixture(scope="module")
def shared_speaker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background[Speaking]]:
    """Of this module alone: what the package leaves behind is nothing to the tests of another."""
    with in_background(speaking(tmp_path_factory.mktemp("openai"))) as found:
        yield found


@pytest.fixture
def speaker(shared_speaker: Background[Speaking]) -> Background[Speaking]:
    shared_speaker.run(Speaking.forget)
    return shared_speaker


def says(sent: str, **fields: object) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": sent}], **fields}


# -- What a chat says, and the Messages request that it is ------------------------------------------

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "get_weather", "description": "The weather.", "parameters": SCHEMA}
TOOLS = [{"type": "function", "function": FUNCTION}]
CLOSED = {**SCHEMA, "additionalProperties": False}
CLAUDES = [{"name": "get_weather", "description": "The weather.", "input_schema": SCHEMA}]
PNG = f"data:image/png;base64,{png(3)}"
PDF = base64.b64encode(b"%PDF-1.4").decode()


def call(name: str, arguments: str = '{"city":"Bern"}') -> dict[str, Any]:
    function = {"name": "get_weather", "arguments": arguments}
    return {"id": name, "type": "function", "function": function}


@frozen
class Chat:
    """What is said in OpenAI's words, and what reaches the API beside the model."""

    name: str
    sent: dict[str, Any]
    asked: dict[str, Any]


HI = {"role": "user", "content": "hi"}
NONE = {"max_tokens": 32000, "system": "", "messages": [user("hi")]}

CHATS = [
    Chat("the least", {"messages": [HI]}, NONE),
    Chat("a limit", {"messages": [HI], "max_completion_tokens": 77}, {**NONE, "max_tokens": 77}),
    Chat("an older limit", {"messages": [HI], "max_tokens": 88}, {**NONE, "max_tokens": 88}),
    Chat(
        "instructions",
        {"messages": [{"role": "system", "content": "A."}, {"role": "developer", "content": "B."}, HI]},
        {**NONE, "system": "A.\n\nB."},
    ),
    Chat(
        "parameters",
        {"messages": [HI], "temperature": 0.5, "top_p": 0.5, "stop": "x", "user": "u", "seed": 1},
        {**NONE, "temperature": 0.5, "top_p": 0.5, "stop_sequences": ["x"], "metadata": {"user_id": "u"}},
    ),
    Chat("hot", {"messages": [HI], "temperature": 2}, {**NONE, "temperature": 1}),
    Chat("an effort", {"messages": [HI], "reasoning_effort": "minimal"}, {**NONE, "output_config": {"effort": "low"}}),
    Chat("no thinking", {"messages": [HI], "reasoning_effort": "none"}, {**NONE, "thinking": {"type": "disabled"}}),
    Chat("tools", {"messages": [HI], "tools": TOOLS}, {**NONE, "tools": CLAUDES}),
    Chat(
        "one of the tools, and one at a time",
        {"messages": [HI], "tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": False},
        {**NONE, "tools": CLAUDES, "tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
    ),
    Chat(
        "this tool",
        {"messages": [HI], "tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
        {**NONE, "tools": CLAUDES, "tool_choice": {"type": "tool", "name": "get_weather"}},
    ),
    Chat(
        "no tool now",
        {"messages": [HI], "tools": TOOLS, "tool_choice": "none"},
        {**NONE, "tools": CLAUDES, "tool_choice": {"type": "none"}},
    ),
    Chat(
        "calls and results",
        {
            "messages": [
                HI,
                {"role": "assistant", "content": "So.", "tool_calls": [call("c1"), call("c2", "")]},
                {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
                {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "wet"}]},
                {"role": "user", "content": "and?"},
            ],
            "tools": TOOLS,
        },
        {
            **NONE,
            "tools": CLAUDES,
            "messages": [
                user("hi"),
                answered("So.", use("c1", city="Bern"), use("c2")),
                user(result("c1"), result("c2", "wet"), "and?"),
            ],
        },
    ),
    Chat(
        "parts",
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "see"},
                        {"type": "image_url", "image_url": {"url": PNG, "detail": "high"}},
                        {"type": "image_url", "image_url": {"url": "https://a.example/x.png"}},
                        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}},
                    ],
                }
            ]
        },
        {
            **NONE,
            "messages": [
                user(
                    "see",
                    image(3),
                    {"type": "image", "source": {"type": "url", "url": "https://a.example/x.png"}},
                    {
                        "type": "document",
                        "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                        "title": "a.pdf",
                    },
                )
            ],
        },
    ),
    Chat(
        "a schema",
        {"messages": [HI], "response_format": {"type": "json_schema", "json_schema": {"name": "w", "schema": SCHEMA}}},
        {**NONE, "output_config": {"format": {"type": "json_schema", "schema": CLOSED}}},
    ),
    Chat(
        "any JSON",
        {"messages": [HI], "response_format": {"type": "json_object"}},
        {**NONE, "system": "Answer with one JSON object, and with nothing else."},
    ),
    Chat(
        "nulls and what has no effect",
        {"messages": [{**HI, "name": "Ann"}], "n": 1, "logprobs": False, "store": True, "stop": None, "presence_penalty": 0},
        NONE,
    ),
    Chat(
        "a conversation with an empty answer",
        {"messages": [HI, {"role": "assistant", "content": ""}, HI, {"role": "assistant", "content": None, "refusal": "No."}, HI]},
        {**NONE, "messages": [user("hi", "hi"), answered("No."), user("hi")]},
    ),
]  # fmt: skip


@there
async def test_every_chat_is_the_messages_request_that_it_means(speaker: Speaking) -> None:
    for chat in CHATS:
        answer = await speaker.client.chat.completions.create(model="gpt-4o", **chat.sent)
        assert answer.model == MODEL, chat.name
        expected = {"model": MODEL, **chat.asked}
        assert await speaker.asked(**chat.asked) == as_blocks(expected), chat.name


# -- Answers -------------------------------------------------------------------------------------

ASKS = [
    "hello",
    "[[standin words=20]]",
    '[[standin tool=get_weather input={"city":"Zürich"}]] [[standin tool=get_time]]',
    '[[standin text="I will look." tool=get_weather input={"city":"Bern"}]]',
    '[[standin thinking="hm" text="yes"]]',
    '[[standin text=""]]',
]


def same(answer: Any) -> Any:
    """An answer without what differs from one time to the next."""
    shown = answer.to_dict(warnings=False) if hasattr(answer, "to_dict") else answer
    if isinstance(shown, dict):
        return {k: same(v) for k, v in shown.items() if k not in VARIES and v is not None}
    return [same(item) for item in shown] if isinstance(shown, list) else shown


VARIES = {"id", "created", "created_at", "call_id", "parsed", "parsed_arguments", "index"}


@there
async def test_a_stream_adds_up_to_the_whole_answer(speaker: Speaking) -> None:
    for ask in ASKS:
        given = says(ask, tools=[*TOOLS, {"type": "function", "function": {"name": "get_time"}}])
        whole = await speaker.unprefixed.chat.completions.create(**given)
        async with speaker.unprefixed.chat.completions.stream(
            **given, stream_options={"include_usage": True}
        ) as stream:
            async for _ in stream:
                pass
            streamed = await stream.get_final_completion()
        # A stream begins before it is known whether there will be a text.
        streamed.choices[0].message.content = streamed.choices[0].message.content or None
        assert same(streamed) == same(whole), ask


@there
async def test_chunks_come_in_their_order(speaker: Speaking) -> None:
    async with httpx.AsyncClient() as http:
        body = says('[[standin text="a b" tool=get_weather input={"city":"x"}]]', stream=True)
        response = await http.post(
            f"{speaker.server.url}/v1/chat/completions",
            json={**body, "tools": TOOLS, "stream_options": {"include_usage": True}},
        )
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-request-id"] == response.headers["request-id"]
    *lines, last = [line for line in response.text.split("\n\n") if line]
    assert last == "data: [DONE]"
    chunks = [httpx.Response(200, text=line.removeprefix("data: ")).json() for line in lines]
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"
    assert chunks[-1]["choices"] == []
    counted = chunks[-1]["usage"]
    assert counted["total_tokens"] == counted["prompt_tokens"] + counted["completion_tokens"] > 5
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1


@there
async def test_finish_reasons(speaker: Speaking) -> None:
    create = speaker.client.chat.completions.create
    cut = await create(**says("[[standin words=9]]", max_completion_tokens=3))
    stopped = await create(**says('[[standin text="a b STOP c"]]', stop=["STOP"]))
    assert cut.choices[0].finish_reason == "length"
    assert cut.choices[0].message.content == "w0 w1 w2 "
    assert stopped.choices[0].finish_reason == "stop"
    assert stopped.choices[0].message.content == "a b "


class City(pydantic.BaseModel):
    name: str
    people: int


WHERE = """[[standin text="{\\"name\\": \\"Bern\\", \\"people\\": 134000}"]]"""


@there
async def test_parsed_answers(speaker: Speaking) -> None:
    chat = await speaker.client.chat.completions.parse(**says(WHERE), response_format=City)
    asked = await speaker.asked(output_config=0)
    response = await speaker.client.responses.parse(
        model="gpt-4o", input=WHERE, text_format=City, store=False
    )
    assert chat.choices[0].message.parsed == City(name="Bern", people=134_000)
    assert response.output_parsed == City(name="Bern", people=134_000)
    assert asked["output_config"]["format"]["schema"]["required"] == ["name", "people"]


@there
async def test_a_loop_of_tools(speaker: Speaking) -> None:
    ask = '[[standin tool=get_weather input={"city":"Zürich"}]]'
    messages: list[Any] = [{"role": "user", "content": ask}]
    create = speaker.client.chat.completions.create
    first = await create(model="gpt-4o", messages=messages, tools=TOOLS)
    (tool_call,) = first.choices[0].message.tool_calls
    assert tool_call.function.arguments == '{"city":"Zürich"}'
    messages += [
        first.choices[0].message.to_dict(),
        {"role": "tool", "tool_call_id": tool_call.id, "content": "sunny"},
    ]
    last = await create(model="gpt-4o", messages=messages, tools=TOOLS)
    asked = await speaker.asked(tools=0)
    assert last.choices[0].finish_reason == "stop"
    called, answer = asked["messages"][1:]
    assert called["content"][0]["input"] == {"city": "Zürich"}
    assert answer["content"][0]["tool_use_id"] == called["content"][0]["id"] == tool_call.id


# -- Responses -----------------------------------------------------------------------------------

RESPONSE_TOOLS: list[Any] = [{"type": "function", **FUNCTION, "strict": False}]


@there
async def test_responses_say_what_they_mean(speaker: Speaking) -> None:
    answer = await speaker.client.responses.create(
        model="gpt-4o",
        instructions="Be brief.",
        input=[
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": [{"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": PNG, "detail": "auto"}]},
            {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": '{"city":"Bern"}'},
            {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
            {"type": "message", "role": "user", "content": "so?"},
        ],
        tools=RESPONSE_TOOLS,
        tool_choice={"type": "function", "name": "get_weather"},
        reasoning={"effort": "high"},
        text={"format": {"type": "json_schema", "name": "w", "schema": SCHEMA}},
        max_output_tokens=99,
        temperature=0.25,
        store=False,
    )  # fmt: skip
    asked = await speaker.asked(temperature=0, tools=0)
    assert asked == {
        "model": MODEL,
        "max_tokens": 99,
        "temperature": 0.25,
        "system": "Be brief.\n\nBe kind.",
        "messages": [
            user("see", image(3)),
            answered(use("c1", city="Bern")),
            user(result("c1"), "so?"),
        ],
        "tools": CLAUDES,
        "tool_choice": {"type": "tool", "name": "get_weather"},
        "output_config": {
            "effort": "high",
            "format": {"type": "json_schema", "schema": CLOSED},
        },
    }
    assert answer.status == "completed"
    assert answer.output_text.endswith("so?")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert (answer.instructions, answer.max_output_tokens) == ("Be brief.", 99)


@there
async def test_a_stream_of_a_response_adds_up_to_the_whole(speaker: Speaking) -> None:
    for ask in ASKS[:5]:
        given: dict[str, Any] = {
            "model": "gpt-4o",
            "input": ask,
            "tools": [*RESPONSE_TOOLS, {"type": "function", "name": "get_time", "parameters": None, "strict": None}],
            "store": False,
        }  # fmt: skip
        whole = await speaker.client.responses.create(**given)
        events: list[Event] = []
        async with speaker.client.responses.stream(**given) as stream:
            events.extend([event.to_dict(warnings=False) async for event in stream])
            streamed = await stream.get_final_response()
        assert same(streamed) == same(whole), ask
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert events[0]["type"] == "response.created"
        assert events[-1]["type"] == "response.completed"


@there
async def test_the_events_of_a_response_come_in_their_order(speaker: Speaking) -> None:
    stream = await speaker.client.responses.create(
        model="gpt-4o",
        input='[[standin text="a" tool=get_weather input={"city":"x"}]]',
        tools=RESPONSE_TOOLS,
        stream=True,
    )
    kinds = [event.type async for event in stream]
    deltas = kinds.count("response.function_call_arguments.delta")
    assert deltas >= 1
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.output_item.added",
        *["response.function_call_arguments.delta"] * deltas,
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ]


@there
async def test_thoughts_go_out_and_come_back(speaker: Speaking) -> None:
    ask = '[[standin thinking="hm" tool=get_weather input={"city":"x"}]]'
    first = await speaker.client.responses.create(
        model="gpt-4o",
        input=ask,
        tools=RESPONSE_TOOLS,
        include=["reasoning.encrypted_content"],
        store=False,
    )
    reasoning, called = first.output
    assert (reasoning.type, called.type) == ("reasoning", "function_call")
    given = [item.to_dict() for item in first.output]
    await speaker.client.responses.create(
        model="gpt-4o",
        input=[
            {"role": "user", "content": ask},
            *given,
            {"type": "function_call_output", "call_id": called.call_id, "output": "sunny"},
        ],
        tools=RESPONSE_TOOLS,
    )
    asked = await speaker.asked(tools=0)
    thought, used = asked["messages"][1]["content"]
    assert (thought["type"], thought["thinking"], thought["signature"]) == (
        "thinking",
        "hm",
        "c3RhbmQtaW4=",
    )
    assert used["type"] == "tool_use"


# -- Errors, models, the synchronous client ----------------------------------------------------------


@there
async def test_errors_have_openais_shape(speaker: Speaking) -> None:
    before = await speaker.server.uses()
    create = speaker.client.chat.completions.create
    with pytest.raises(openai.NotFoundError) as missing:
        await create(**{**says("hi"), "model": "llama-9"})
    assert missing.value.code == "model_not_found"
    assert missing.value.param == "model"
    assert "`llama-9` does not exist here" in missing.value.message
    with pytest.raises(openai.BadRequestError) as bad:
        await create(**says("hi", n=2))
    assert (bad.value.param, bad.value.type) == ("n", "invalid_request_error")
    with pytest.raises(openai.BadRequestError) as blank:
        await create(
            model="gpt-4o",
            messages=[{"role": "system", "content": "s"}, {"role": "user", "content": " "}],
        )
    assert blank.value.param == "messages[1]"
    with pytest.raises(openai.RateLimitError, match="slow down"):
        await create(**says('[[standin error=429 message="slow down"]]'))
    with pytest.raises(openai.InternalServerError) as busy:
        await create(**says("[[standin error=529]]"))
    assert busy.value.status_code == 529
    with pytest.raises(openai.NotFoundError, match="No such route"):
        await speaker.client.embeddings.create(model="x", input="y")
    with pytest.raises(openai.BadRequestError, match="nothing is stored"):
        await speaker.client.responses.create(model="gpt-4o", input="x", previous_response_id="r")  # fmt: skip
    assert (await speaker.server.uses() - before).total() == 2


@there
async def test_a_stream_that_breaks_is_told_in_its_own_way(speaker: Speaking) -> None:
    ask = "[[standin words=9 rate=100 fail_after=3]]"
    asked = {"model": "gpt-4o", "input": ask, "stream": True}
    with pytest.raises(openai.APIError, match="Overloaded"):
        async for _ in await speaker.client.chat.completions.create(**says(ask), stream=True):
            pass
    with pytest.raises(openai.APIError, match="Overloaded"):
        async for _ in await speaker.client.responses.create(**asked):
            pass
    async with httpx.AsyncClient(timeout=30) as http:
        raw = (await http.post(f"{speaker.server.url}/openai/v1/responses", json=asked)).text
    *_, error, failed, end = raw.split("\n\n")
    assert error.startswith("event: error\n")
    assert failed.startswith("event: response.failed\n")
    assert '"status":"failed","error":{"code":"overloaded","message":"Overloaded' in failed
    assert end == ""


@there
async def test_a_call_that_was_cut_is_told_as_far_as_it_came(speaker: Speaking) -> None:
    ask = '[[standin tool=get_weather input={"city":"Paris"}]]'
    given = {"model": "gpt-4o", "input": ask, "tools": RESPONSE_TOOLS, "max_output_tokens": 2}
    whole = await speaker.client.responses.create(**given)
    stream = await speaker.client.responses.create(**given, stream=True)
    done = [event.item async for event in stream if event.type == "response.output_item.done"]
    asked = says(ask, tools=TOOLS, max_completion_tokens=2)
    chat = await speaker.client.chat.completions.create(**asked)
    for item in (*done, *whole.output):
        assert (item.status, item.arguments) == ("incomplete", '{"city":')
    assert chat.choices[0].finish_reason == "length"
    assert chat.choices[0].message.tool_calls[0].function.arguments == '{"city":'


@there
async def test_models_in_the_shape_that_the_caller_asks_for(speaker: Speaking) -> None:
    listed = [model.id async for model in speaker.unprefixed.models.list()]
    named = await speaker.unprefixed.models.retrieve("gpt-4o")
    with pytest.raises(openai.NotFoundError):
        await speaker.unprefixed.models.retrieve("llama")
    anthropics = [model.id async for model in speaker.server.client.models.list()]
    assert listed == [*anthropics, "gpt-4o"]
    assert (named.id, named.object) == ("gpt-4o", "model")


@there
async def test_the_synchronous_client_and_both_prefixes(server: Running) -> None:
    def ask(url: str) -> list[object]:
        found: list[object] = []
        for prefix in ("/v1", "/openai/v1"):
            with openai.OpenAI(base_url=url + prefix, api_key="any", max_retries=0) as client:
                chat = client.chat.completions.create(**says("hello"))
                found.append(chat.choices[0].message.content)
                stream = client.chat.completions.create(**says("[[standin words=3]]"), stream=True)
                found.append("".join(c.choices[0].delta.content or "" for c in stream))
                found.append(client.responses.create(model="gpt-4o", input="hello").output_text)
        return found

    first, words, again, *rest = await trio.to_thread.run_sync(ask, server.url)
    prefixed = server.client.with_options(base_url=f"{server.url}/anthropic")
    message = await prefixed.messages.create(
        model=MODEL, max_tokens=1000, messages=[{"role": "user", "content": "hello"}]
    )
    assert str(first).endswith("says: hello")
    assert words == "w0 w1 w2"
    assert again == first
    assert rest == [first, words, again]
    assert message.stop_reason == "end_turn"


async def test_a_server_that_stops_says_so_in_the_callers_dialect(tmp_path: Path) -> None:
    pool = evolve(ONE, drain_timeout=0.0)
    sent = b""
    async with httpx.AsyncClient(timeout=20) as http:
        async with running(tmp_path, pool, openai=NAMES) as server:
            body = says("[[standin words=500 rate=20]]", stream=True)
            request = http.build_request("POST", f"{server.url}/v1/chat/completions", json=body)
            response = await http.send(request, stream=True)
            chunks = response.aiter_raw()
            sent += await anext(chunks)
        async for chunk in chunks:
            sent += chunk
    assert b'"error":{"message":"' in sent.split(b"\n\n")[-2]
    assert b"[DONE]" not in sent


@there
async def test_the_packages_own_messages_come_back(speaker: Speaking) -> None:
    class GetWeather(pydantic.BaseModel):
        city: str

    ask = '[[standin tool=GetWeather input={"city":"Bern"}]]'
    messages: list[Any] = [{"role": "user", "content": ask}]
    tools = [openai.pydantic_function_tool(GetWeather)]
    chat = speaker.client.chat.completions
    first = await chat.parse(model="gpt-4o", messages=messages, tools=tools)
    (called,) = first.choices[0].message.tool_calls
    assert called.function.parsed_arguments == GetWeather(city="Bern")
    result = {"role": "tool", "tool_call_id": called.id, "content": "sunny"}
    for back in (first.choices[0].message, first.choices[0].message.model_dump()):
        again = await chat.create(model="gpt-4o", messages=[*messages, back, result])
        assert again.choices[0].finish_reason == "stop"
    response = await speaker.client.responses.create(
        model="gpt-4o", input=ask, tools=[{"type": "function", "name": "GetWeather"}]
    )
    output = [item.model_dump() for item in response.output]
    await speaker.client.responses.create(
        model="gpt-4o",
        input=[
            {"role": "user", "content": ask},
            *output,
            {
                "type": "function_call_output",
                "call_id": response.output[0].call_id,
                "output": "sunny",
            },
        ],
    )


@there
async def test_notes_stay_readable_however_many(speaker: Speaking) -> None:
    messages = [{"role": "user", "content": "a", "name": "ann"}] * 3000
    raw = await speaker.client.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=messages
    )
    notes = raw.headers["x-trioproxy-notes"]
    assert notes == "messages.name without effect: Claude has no names (3000)"


async def test_a_silent_stream_has_signs_that_clients_pass_over(tmp_path: Path) -> None:
    ask = "[[standin words=4 rate=4]]"
    patient = ServerSettings(ping_interval=0.1)
    async with running(tmp_path, ONE, openai=NAMES, server=patient) as server:
        async with httpx.AsyncClient() as http:
            chat = await http.post(
                f"{server.url}/v1/chat/completions", json=says(ask, stream=True)
            )
            response = await http.post(
                f"{server.url}/v1/responses",
                json={"model": "gpt-4o", "input": ask, "stream": True},
            )
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="any") as client:
            stream: Any = await client.chat.completions.create(**says(ask), stream=True)
            sent = [chunk.choices[0].delta.content async for chunk in stream]
    assert chat.text.count(": ping\n\n") >= 3
    assert response.text.count("event: response.in_progress\n") >= 4
    assert "".join(filter(None, sent)) == "w0 w1 w2 w3"


@there
async def test_a_callers_words_make_no_header_of_their_own(speaker: Speaking) -> None:
    raw = await speaker.client.responses.with_raw_response.create(
        model="gpt-4o", input="hi", include=["a\r\nx-evil: 1", "é🦉"]
    )
    assert "x-evil" not in raw.headers
    assert raw.headers["x-trioproxy-notes"] == ("include without effect: an unknown name (2)")


@there
async def test_names_and_routes_are_openais_without_a_prefix(speaker: Speaking) -> None:
    assert (await speaker.unprefixed.models.retrieve("gpt-5")).id == "gpt-5"
    with pytest.raises(openai.NotFoundError) as missing:
        await speaker.unprefixed.moderations.create(input="x")
    assert missing.value.type == "invalid_request_error"
