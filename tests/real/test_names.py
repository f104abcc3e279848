"""What callers call things: what the API takes reaches it, and nothing of it forges or floods."""

import logging
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import trio

from tests.real.servers import MODEL, Running, running
from tests.standin.raw import connect, read_all
from trioproxy import logs

pytestmark = pytest.mark.real

HI: dict[str, Any] = {"role": "user", "content": "hi"}
EVIL = "evil\r\n2026-01-01 00:00:00,000 ERROR   [REQUEST] forged\x1b[2J\u2028\x9b1m"
ANTHROPIC = {"anthropic-version": "2023-06-01"}
LONG = "evil" * 10_000


OF_MODELS = (
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6",
    "claude-sonnet-4-5@20250929",
    "anthropic/claude-sonnet-4.5:free",
    "claude-" + "x" * 249,
)


def body(**fields: object) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 100, "messages": [HI], **fields}


async def test_names_that_the_api_takes_reach_it_unaltered(tmp_path: Path) -> None:
    # A model has called a tool by a shell command, and the client sends that back.
    name = "cat <<'E' | grep -c \"x\"\n\té漢\nE\n" + "x" * 150
    call = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "no such tool"}
    history = [HI, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    async with running(tmp_path) as server:
        for model in OF_MODELS:
            await server.client.messages.create(**body(model=model))
        await server.client.messages.create(**body(messages=history))
    *asked, last = server.asked()
    assert [item["model"] for item in asked] == list(OF_MODELS)
    assert last["messages"][1]["content"] == [call]


def hostile(text: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Requests with a name that is none: the method, the path, and how httpx is to ask."""
    quoted = "".join(f"%{byte:02x}" for byte in text[:8_000].encode())
    header = {"anthropic-beta": ascii(text[:8_000])}
    function = {"type": "function", "function": {"name": text}}
    return [
        ("POST", "/v1/messages", {"json": body(model=text)}),
        ("POST", "/v1/messages", {"json": body(**{text: 1})}),
        ("POST", "/v1/messages", {"json": body(tools=[{"name": text, "input_schema": {}}])}),
        ("POST", "/v1/messages", {"json": body(tools=[{"type": text, "name": text}])}),
        ("POST", "/v1/messages", {"json": body(tool_choice={"type": "tool", "name": text})}),
        ("POST", "/v1/messages", {"json": body(messages=[{"role": text, "content": "x"}])}),
        ("POST", "/v1/messages", {"json": body(), "headers": header}),
        ("POST", "/v1/chat/completions", {"json": body(model=text)}),
        ("POST", "/v1/chat/completions", {"json": body(model=text[:200])}),
        ("POST", "/v1/chat/completions", {"json": body(tools=[function])}),
        ("POST", "/v1/responses", {"json": {"model": text, "input": "hi"}}),
        ("POST", "/v1/responses", {"json": {"model": MODEL, "input": "hi", "include": [text]}}),
        ("POST", "/v1/messages/count_tokens", {"json": body(model=text)}),
        ("GET", f"/v1/models/{quoted}", {}),
        ("GET", f"/v1/models?{quoted}=1", {"headers": ANTHROPIC}),
        ("GET", f"/v1/models?after_id={quoted}", {"headers": ANTHROPIC}),
        ("GET", f"/{quoted}", {}),
        ("PATCH", f"/v1/messages/{quoted}", {}),
        ("GET", f"/proxy/{quoted}/x", {}),
        ("GET", "/", {"headers": {"host": ascii(text[:8_000])}}),
        ("GET", "/", {"headers": {"origin": ascii(text[:8_000])}}),
    ]


async def test_a_name_that_is_none_goes_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "trioproxy")
    async with running(tmp_path) as server, httpx.AsyncClient(base_url=server.url) as http:
        for method, path, how in (*hostile(EVIL), *hostile(LONG)):
            answer = await http.request(method, path, **how)
            assert answer.is_success == ("include" in how.get("json", {})), (method, path)
            assert len(answer.content) < 2_000, (method, path)
            assert sum(len(value) for _, value in answer.headers.raw) < 3_000, (method, path)
            assert "forged" not in answer.headers
        await raw(server, f"{'G' * 20_000} / HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        await raw(server, b"GET /\xff\x1b[2J" + b"x" * 20_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n")
        shown = [(await http.get(path)).text for path in ("/status", "/metrics", "/pool/stats")]
    assert not [page for page in shown if "evil" in page]
    assert max(map(len, shown)) < 60_000
    check_log(caplog.records)


async def raw(server: Running, sent: bytes) -> None:
    """Send bytes as they are; whatever comes back."""
    async with await connect(server.url) as stream:
        with trio.fail_after(5):
            await stream.send_all(sent)
            await stream.send_eof()
            await read_all(stream)


def check_log(records: list[logging.LogRecord]) -> None:
    ours = [record for record in records if record.name.startswith("trioproxy")]
    assert len([record for record in ours if record.name == "trioproxy.requests"]) > 40
    for record in ours:
        for formatter in (logs.TextFormatter(), logs.JSONFormatter()):
            line = formatter.format(record)
            assert line.isprintable()
            assert len(line) < 2_000
            assert "evil" not in line
        orjson.loads(line)
