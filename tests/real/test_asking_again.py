"""After some refusals, and some answers, the CLI asks the API again by itself.

A caller gets no answer to what it has not asked, and the next one nothing that is left of that.
"""

from typing import Any

import anthropic
import httpx
import pytest

from tests.messages import assistant, user
from tests.real.background import there
from tests.real.servers import MODEL, Running
from trioproxy.standin.errors import ApiError

pytestmark = pytest.mark.real

THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2lnbmVk"}
LONG: list[Any] = [user("a"), assistant("b"), user("c"), assistant("d"), user("e")]
SIGNED: list[Any] = [user("a"), assistant(THOUGHT, "b"), user("c")]


def says(text: str) -> Any:
    return {"model": MODEL, "max_tokens": 1000, "messages": [user(text)]}


async def refused(server: Running, error: ApiError, **fields: Any) -> anthropic.APIStatusError:
    """What a caller gets when the API refuses its request once, and would take the next one."""
    server.standin.record.clear()
    server.standin.failures.append(error)
    with pytest.raises(anthropic.APIStatusError) as caught:
        await server.client.messages.create(
            **{"model": MODEL, "max_tokens": 1000, "messages": [user("hello")], **fields}
        )
    await server.settled()
    assert not server.standin.failures
    assert caught.value.status_code == error.status
    assert caught.value.response.json()["error"]["message"] == error.message
    return caught.value


TOO_LONG = [
    "prompt is too long: 250000 tokens > 200000 maximum",
    "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
]


@there
async def test_a_conversation_that_is_too_long_is_refused_and_not_summed_up(
    server: Running,
) -> None:
    for message in TOO_LONG:
        for status in (400, 413):
            await refused(server, ApiError(status, message), messages=LONG)
            assert [len(body["messages"]) for body in server.asked()] == [5]


@there
async def test_an_effort_that_is_refused_is_not_left_out_now_or_later(server: Running) -> None:
    error = ApiError(400, "This model does not support the effort parameter.")
    low: Any = {"output_config": {"effort": "low"}, "model": "claude-opus-4-5"}
    await refused(server, error, **low)
    server.standin.record.clear()
    await server.client.messages.create(
        max_tokens=1000, messages=[{"role": "user", "content": "hi"}], **low
    )
    (asked,) = server.asked()
    assert asked["output_config"] == {"effort": "low"}


@there
async def test_a_signature_that_is_refused_is_told(server: Running) -> None:
    error = ApiError(400, "messages.1.content.0: Invalid `signature` in `thinking` block")
    await refused(server, error, messages=SIGNED)
    await server.client.messages.create(model=MODEL, max_tokens=1000, messages=SIGNED)
    assert server.asked()[-1]["messages"] == SIGNED


@there
async def test_a_model_that_is_missing_for_a_moment_is_missing(server: Running) -> None:
    await refused(server, ApiError(404, "model: claude-none"))


BREAKS = [
    f"{ask} {fault}"
    for fault in ("fail_after", "drop_after")
    for ask in ('thinking="a b" text="c d e f" {}=4', 'text="a" tool=get_time {}=2')
]


@there
async def test_a_stream_that_breaks_behind_a_block_is_no_answer(server: Running) -> None:
    async with httpx.AsyncClient() as http:
        for ask, _, fault in (item.rpartition(" ") for item in BREAKS):
            request: Any = {
                **says(f"[[standin {ask.format(fault)} rate=200]]"),
                "max_tokens": 2000,
                "thinking": {"type": "enabled", "budget_tokens": 1024},
                "tools": [{"name": "get_time", "input_schema": {"type": "object"}}],
            }
            with pytest.raises(anthropic.APIStatusError):
                await server.client.messages.create(**request)
            url = f"{server.url}/v1/messages"
            response = await http.post(url, json={**request, "stream": True})
            assert "event: message_stop" not in response.text
            if response.status_code == 200:
                assert "event: error" in response.text.split("\n\n")[-2]


@there
async def test_an_answer_that_shows_nothing_is_the_answer(server: Running) -> None:
    before = await server.uses()
    for ask in ('text=""', 'text=" "', 'thinking="hm" text=""') * 3:
        answer = await server.client.messages.create(**says(f"[[standin {ask}]]"))
        assert answer.stop_reason == "end_turn"
    await server.client.messages.create(**says("hi"))
    assert server.asked()[-1]["messages"] == [user("hi")]
    assert (await server.uses() - before).total() == 10


@there
async def test_thoughts_are_kept_for_a_short_name_in_any_form(server: Running) -> None:
    for name in ("opus[1m]", "Opus", "sonnet[1m]"):
        await server.client.messages.create(model=name, max_tokens=1000, messages=SIGNED)
        asked = server.asked()[-1]
        assert asked["messages"] == SIGNED
        assert asked["model"].startswith("claude-")
    with pytest.raises(anthropic.BadRequestError, match="need the model's id"):
        await server.client.messages.create(model="best", max_tokens=1000, messages=SIGNED)
