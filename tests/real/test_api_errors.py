"""An error of the API comes out with its own status, type and message, asked for once."""

from pathlib import Path
from typing import Any

import anthropic
import pytest
import trio

from tests.real.background import there
from tests.real.servers import MODEL, Running, running
from trioproxy.settings import ClaudeSettings
from trioproxy.standin.errors import ERRORS

pytestmark = pytest.mark.real

# The CLI asks once more, without a stream, after a 404: it takes it for a gateway without streams.
ASKED_TWICE = {404}


def says(text: str, **fields: object) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"model": MODEL, "max_tokens": 1000, "messages": messages, **fields}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@there
async def test_each_error_of_the_api_comes_out_as_it_is(server: Running, *, stream: bool) -> None:
    before = await server.uses()
    for status, (kind, _) in ERRORS.items():
        server.standin.record.clear()
        message = f"the {status} in the API's words: {{a.b}}. This is a server-side issue, c"
        ask = f'[[standin error={status} message="{message}"]]'
        with pytest.raises(anthropic.APIStatusError) as caught:
            await server.client.messages.create(**says(ask), stream=stream)
        error = caught.value.response.json()["error"]
        assert (caught.value.status_code, error["type"]) == (status, kind)
        assert error["message"] == message
        assert len(server.standin.record.messages) == 1 + (status in ASKED_TWICE)
    assert (await server.uses() - before).total() == len(ERRORS)


@there
async def test_the_words_of_one_error_are_never_anothers(server: Running) -> None:
    for number in range(20):
        ask = f'[[standin error=404 message="number {number}"]]'
        with pytest.raises(anthropic.APIStatusError) as caught:
            await server.client.messages.create(**says(ask))
        assert caught.value.response.json()["error"]["message"] == f"number {number}"


@there
async def test_an_error_after_the_first_byte_is_an_event(server: Running) -> None:
    ask = '[[standin words=9 rate=100 fail_after=3 error=529 message="too much"]]'
    sent: list[str] = []
    async with server.client.messages.stream(**says(ask)) as stream:
        with pytest.raises(anthropic.APIStatusError) as caught:
            sent.extend([text async for text in stream.text_stream])
    assert len(server.asked()) == 1
    body = caught.value.body
    assert isinstance(body, dict)
    assert body["type"] == "error"
    assert body["error"]["type"] == "overloaded_error"
    assert body["request_id"] == caught.value.response.headers["request-id"]


async def test_retries_are_the_operators_choice(tmp_path: Path) -> None:
    claude = ClaudeSettings(max_retries=1)
    async with running(tmp_path, claude=claude) as server:
        with pytest.raises(anthropic.APIStatusError) as caught, trio.fail_after(30):
            await server.client.messages.create(**says('[[standin error=529 message="busy"]]'))
    assert caught.value.status_code == 529
    assert caught.value.response.json()["error"]["message"] == "busy"
    assert len(server.asked()) == 2


async def test_login_missing_says_what_to_do(tmp_path: Path) -> None:
    async with running(tmp_path, environ={"ANTHROPIC_API_KEY": None}) as server:
        with pytest.raises(anthropic.AuthenticationError, match="Run `claude auth login`"):
            await server.client.messages.create(**says("hello"))
        assert server.asked() == []
