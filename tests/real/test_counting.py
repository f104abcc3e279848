"""`count_tokens` when the API is not available, or not as it should be."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.real.servers import NOT_NEEDED, running
from trioproxy.settings import ClaudeSettings, CountTokensSettings

pytestmark = pytest.mark.real

BODY: dict[str, Any] = {"model": "haiku", "messages": [{"role": "user", "content": "a b"}]}


async def counted(url: str, body: bytes | None = None, betas: str = "") -> httpx.Response:
    async with httpx.AsyncClient() as http:
        path = f"{url}/v1/messages/count_tokens"
        if body is not None:
            return await http.post(path, content=body)
        headers = {"anthropic-beta": betas} if betas else {}
        return await http.post(path, json=BODY, headers=headers)


async def test_an_api_that_is_not_there_is_a_bad_gateway(tmp_path: Path) -> None:
    counting = CountTokensSettings(api_key="key", base_url="http://127.0.0.1:9")
    async with running(tmp_path, NOT_NEEDED, counting=counting) as server:
        response = await counted(server.url)
    assert (response.status_code, response.json()["error"]["type"]) == (502, "api_error")
    assert "'count tokens' could not be reached." in response.text


async def test_an_api_that_does_not_answer_is_a_gateway_timeout(tmp_path: Path) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        counting = CountTokensSettings(
            api_key="key", base_url=f"http://127.0.0.1:{port}", timeout=0.2
        )
        async with running(tmp_path, NOT_NEEDED, counting=counting) as server:
            response = await counted(server.url)
    assert (response.status_code, response.json()["error"]["type"]) == (504, "timeout_error")
    assert "within 0.2 s" in response.json()["error"]["message"]


async def test_the_operators_defaults_the_short_name_and_the_betas(tmp_path: Path) -> None:
    claude = ClaudeSettings(model="claude-opus-4-5", system_prompt="Be kind.")
    async with running(tmp_path, claude=claude, count_tokens=True) as server:
        await server.server.pool.models.wait_models()
        assert (await counted(server.url, betas="a-1, b-2")).json() == {"input_tokens": 4}
        await counted(server.url, b'{"messages":[{"role":"user","content":"a"}],"system":"s"}')
        first, second = [item for item in server.standin.record if "count" in item.path]
        for body in (b"{", b"[]", b'{"a":' + b"[" * 300 + b"]" * 300 + b"}"):
            assert (await counted(server.url, body)).status_code == 400
        assert (await counted(server.url, betas="a b")).status_code == 400
    assert first.body["model"].startswith("claude-haiku-")
    assert first.body["system"] == "Be kind."
    assert first.headers["anthropic-beta"] == "a-1,b-2"
    assert (second.body["model"], second.body["system"]) == ("claude-opus-4-5", "s")


def test_a_key_is_never_shown() -> None:
    assert "key-secret" not in repr(CountTokensSettings(api_key="key-secret"))
