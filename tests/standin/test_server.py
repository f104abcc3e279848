"""The stand-in on a real port: what it answers to what."""

import logging
from functools import partial

import httpx
import hypercorn
import hypercorn.trio
import pytest
import trio

from tests.standin import raw
from tests.standin.requests import asking, streaming
from trioproxy.dialects.sse import encode_events
from trioproxy.standin import Pace, StandIn, events, plan, serve_standin, whole
from trioproxy.standin.errors import ERRORS

MESSAGES = "/v1/messages"


async def test_a_whole_answer(client: httpx.AsyncClient) -> None:
    response = await client.post(MESSAGES + "?beta=true", json=asking("hello"))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["request-id"] == "req_standin_000001"
    assert response.json() == whole(plan(asking("hello"), number=1))


@pytest.mark.parametrize("text", ["hello", "[[standin words=3 rate=1000]]"])
async def test_a_streamed_answer(client: httpx.AsyncClient, text: str) -> None:
    response = await client.post(MESSAGES, json=streaming(text))
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["request-id"] == "req_standin_000001"
    assert response.content == encode_events(events(plan(streaming(text), number=1)))


@pytest.mark.parametrize(("rate", "chunks"), [("inf", 1), ("1000", 9)])
async def test_chunks_on_the_wire(base_url: str, rate: str, chunks: int) -> None:
    stream = await raw.connect(base_url)
    async with stream:
        await stream.send_all(raw.post(streaming(f"[[standin words=3 rate={rate}]]")))
        _, _, body = (await raw.read_until(stream, raw.END)).partition(b"\r\n\r\n")
    # Each chunk is a line of its size, its data that ends with a blank line, and a line end.
    assert body.count(b"\n\n\r\n") == chunks


@pytest.mark.parametrize("status", ERRORS)
async def test_an_error(client: httpx.AsyncClient, status: int) -> None:
    text = f'[[standin error={status} message="as you wish"]]'
    response = await client.post(MESSAGES, json=streaming(text))
    assert response.status_code == status
    assert response.json() == {
        "type": "error",
        "error": {"type": ERRORS[status][0], "message": "as you wish"},
        "request_id": response.headers["request-id"],
    }


async def test_what_the_api_refuses(client: httpx.AsyncClient) -> None:
    async def refusal(method: str, path: str, content: bytes = b"") -> tuple[int, str]:
        response = await client.request(method, path, content=content)
        return response.status_code, response.json()["error"]["type"]

    assert await refusal("POST", MESSAGES, b'{"model"') == (400, "invalid_request_error")
    assert await refusal("POST", MESSAGES, b"[]") == (400, "invalid_request_error")
    assert await refusal("POST", MESSAGES + "/count_tokens", b"{}") == (
        400,
        "invalid_request_error",
    )
    assert await refusal("GET", MESSAGES) == (404, "not_found_error")
    assert await refusal("GET", "/standin/nothing") == (404, "not_found_error")
    assert await refusal("GET", "/standin/requests?since=x") == (400, "invalid_request_error")


async def test_an_unknown_key_is_named(client: httpx.AsyncClient) -> None:
    response = await client.post(MESSAGES, json=asking("[[standin speed=3]]"))
    assert response.status_code == 400
    assert "'speed'" in response.json()["error"]["message"]


async def test_a_body_may_be_large_but_not_too_large(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = asking("x" * 17_000_000)
    assert (await client.post(MESSAGES, json=large)).status_code == 200
    monkeypatch.setattr("trioproxy.standin.asgi.MAX_BODY", 1000)
    response = await client.post(MESSAGES, json=asking("x" * 1000))
    assert (response.status_code, response.json()["error"]["type"]) == (413, "request_too_large")


async def test_the_small_routes(client: httpx.AsyncClient) -> None:
    assert (await client.get("/")).json() == {"standin": True}
    head = await client.head("/")
    assert (head.status_code, head.content) == (200, b"")
    counted = asking("three words here") | {"system": "and two"}
    del counted["max_tokens"]
    response = await client.post(MESSAGES + "/count_tokens", json=counted)
    assert response.json() == {"input_tokens": 5}
    models = (await client.get("/v1/models")).json()
    assert [model["type"] for model in models["data"]] == ["model"]


async def test_the_record_without_credentials(client: httpx.AsyncClient, standin: StandIn) -> None:
    secret = {"x-api-key": "sk-secret", "authorization": "Bearer sk-secret", "cookie": "sk-secret"}
    await client.head("/")
    await client.post(MESSAGES + "?beta=true", json=asking("hello"), headers=secret)
    [request] = await standin.record.wait_for_messages(1)
    assert (request.number, request.method, request.query) == (2, "POST", "beta=true")
    assert request.headers["content-type"] == "application/json"
    assert request.body == asking("hello")
    assert "sk-secret" not in repr(list(standin.record))


async def test_the_record_over_http(client: httpx.AsyncClient, standin: StandIn) -> None:
    await client.get("/?a=1")
    await client.post(MESSAGES, content=b"no json")
    everything = (await client.get("/standin/requests")).json()["requests"]
    assert [(item["number"], item["path"], item["body"]) for item in everything] == [
        (1, "/", None),
        (2, MESSAGES, None),
    ]
    latest = (await client.get("/standin/requests?since=1")).json()["requests"]
    assert latest == everything[1:]
    await client.delete("/standin/requests")
    assert len(standin.record) == 0


async def test_a_stream_that_fails(client: httpx.AsyncClient) -> None:
    response = await client.post(MESSAGES, json=streaming("[[standin words=9 fail_after=3]]"))
    assert response.status_code == 200
    assert response.text.count("text_delta") == 3
    assert response.text.rpartition("event: ")[2].startswith("error\n")
    response = await client.post(MESSAGES, json=asking("[[standin words=9 fail_after=3]]"))
    assert response.status_code == 529


async def test_the_pace_of_the_stand_in(client: httpx.AsyncClient, standin: StandIn) -> None:
    standin.pace = Pace(first=0.1, rate=50)
    begin = trio.current_time()
    async with client.stream("POST", MESSAGES, json=streaming("[[standin words=10]]")) as response:
        arrived = [
            trio.current_time() - begin
            async for line in response.aiter_lines()
            if "text_delta" in line
        ]
    taken = trio.current_time() - begin
    assert all(when >= 0.1 + i / 50 for i, when in enumerate(arrived)), arrived
    assert len(arrived) == 10
    assert 0.3 <= taken < 1.5


async def test_a_bug_is_logged(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("trioproxy.standin.app.plan", None)
    assert (await client.post(MESSAGES, json=asking("hello"))).status_code == 500
    [record] = caplog.records
    assert (record.name, record.levelno) == ("trioproxy.standin", logging.ERROR)
    assert record.exc_info is not None


async def test_any_asgi_server_can_run_it(standin: StandIn) -> None:
    config = hypercorn.Config()
    config.bind, config.errorlog = ["127.0.0.1:0"], None
    stop = trio.Event()
    serve = partial(hypercorn.trio.serve, standin, config, shutdown_trigger=stop.wait)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            [url] = await nursery.start(serve)
            async with httpx.AsyncClient(base_url=url, verify=False) as client:
                assert (await client.get("/")).json() == {"standin": True}
            stop.set()


async def test_a_port_that_is_taken(base_url: str) -> None:
    with pytest.raises(OSError, match="in use"):
        await serve_standin(StandIn(), port=int(base_url.rpartition(":")[2]))
