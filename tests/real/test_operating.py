"""A whole server as its operator runs it: guarded, measured, watched."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from tests.forward.servers import upstream
from tests.real.bodies import body
from tests.real.servers import NOT_NEEDED, Running, running
from tests.standin.raw import connect, read_all
from trioproxy.api_keys import hashed, new_token
from trioproxy.pool.worker import WorkerState
from trioproxy.settings import AuthSettings, HttpPoolSettings, ServerSettings
from trioproxy.web.routes import table

pytestmark = pytest.mark.real

TOKEN = new_token()
AUTH = AuthSettings(tokens={"alice": hashed(TOKEN), "bob": "bob's-own-token"})
KEY = {"x-api-key": TOKEN}


def routes() -> set[tuple[str, str]]:
    """Every method and path that is served."""
    found = {(route.method, route.path.replace("<path:name>", "x")) for route in table.ROUTES}
    heads = {("HEAD", path) for method, path in found if method == "GET"}
    proxied = {("GET", "/proxy/api/x"), ("POST", "/proxy/api/x"), ("GET", "/no/such/path")}
    return found | heads | proxied


async def written_down(server: Running) -> None:
    """Wait until each call has ended: its client may have had the whole answer before that."""
    while server.server.web.gate.registry.running:  # noqa: ASYNC110 - there is no event
        await trio.sleep(0.005)


async def test_auth_is_required_by_every_route_but_one(tmp_path: Path) -> None:
    async with running(tmp_path, NOT_NEEDED, auth=AUTH) as server, httpx.AsyncClient() as http:
        walked = routes()
        assert len(walked) > 30
        for method, path in sorted(walked):
            answer = await http.request(method, server.url + path)
            if path == "/health/live":
                assert answer.status_code == 200
                continue
            assert answer.status_code == 401, (method, path)
            assert "Bearer" in answer.headers["www-authenticate"]
            if method != "HEAD":
                error = answer.json()["error"]
                assert "Authentication required" in error["message"]
                assert "type" in error
        assert server.stats.connections_reused == 0
        assert (await http.get(server.url + "/health", headers=KEY)).status_code == 200


async def test_auth_error_has_the_shape_of_its_dialect(tmp_path: Path) -> None:
    async with running(tmp_path, NOT_NEEDED, auth=AUTH) as server, httpx.AsyncClient() as http:
        anthropics = (await http.post(server.url + "/v1/messages", json=body())).json()
        openais = (await http.post(server.url + "/v1/chat/completions", json={})).json()
    assert (anthropics["type"], anthropics["error"]["type"]) == ("error", "authentication_error")
    assert "code" in openais["error"]
    assert "type" not in openais


async def test_auth_token_admits_and_is_not_passed_on(tmp_path: Path) -> None:
    heads: list[bytes] = []

    async def handler(peer: Any) -> None:
        heads.append(await peer.head())
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async with upstream(handler) as up:
        pool = HttpPoolSettings(upstreams={"up": up.url})
        async with running(tmp_path, auth=AUTH, http_pool=pool) as server:
            client = server.client.with_options(api_key=TOKEN)
            message = await client.messages.create(**body())
            assert message.type == "message"
            async with httpx.AsyncClient(base_url=server.url) as http:
                both = {"authorization": f"Bearer {TOKEN}", "x-api-key": "upstream's"}
                await http.get("/proxy/up/", headers=both)
                await http.get("/proxy/up/", headers=KEY)
    assert TOKEN.encode() not in b"".join(heads)
    assert b"upstream's" in heads[0]
    assert b"x-api-key" not in heads[1].lower()


async def test_auth_limits_of_a_token(tmp_path: Path) -> None:
    auth = AuthSettings(tokens=AUTH.tokens, max_concurrent=1, max_per_minute=3)
    async with running(tmp_path, auth=auth) as server, httpx.AsyncClient() as http:
        url = server.url + "/v1/messages"
        async with trio.open_nursery() as nursery:

            async def slow() -> None:
                text = "[[standin words=20 rate=40]]"
                await http.post(url, json=body(text), headers=KEY)

            nursery.start_soon(slow)
            gate = server.server.web.gate
            await gate.drain.running.wait_value(lambda count: count > 0)
            answer = await http.post(url, json=body(), headers=KEY)
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
            assert answer.json()["error"]["type"] == "rate_limit_error"
            assert (
                "Concurrency limit for token 'alice' exceeded" in answer.json()["error"]["message"]
            )
        for _ in range(2):
            await http.post(url, json=body(), headers=KEY)
        answer = await http.post(url, json=body(), headers=KEY)
        assert answer.status_code == 429
        assert 10 < int(answer.headers["retry-after"]) <= 20  # one more each 20 s
        assert (await http.get(server.url + "/health", headers=KEY)).status_code == 200


async def test_allowed_origins_and_dns_rebinding(tmp_path: Path) -> None:
    async with running(tmp_path) as server, httpx.AsyncClient() as http:
        url = server.url + "/v1/messages"
        for headers in ({"origin": "https://evil.example"}, {"host": "evil.example"}):
            answer = await http.post(url, json=body(), headers=headers)
            assert (answer.status_code, answer.json()["error"]["type"]) == (
                403,
                "permission_error",
            )
        assert server.asked() == []
    allowing = ServerSettings(allowed_origins=("https://app.example",))
    async with running(tmp_path, server=allowing) as server, httpx.AsyncClient() as http:
        headers = {"origin": "https://app.example"}
        answer = await http.post(server.url + "/v1/messages", json=body(), headers=headers)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        asks = {**headers, "access-control-request-method": "POST"}
        answer = await http.request("OPTIONS", server.url + "/v1/messages", headers=asks)
        assert (answer.status_code, answer.content) == (204, b"")


async def test_metrics_are_what_the_client_counted(tmp_path: Path) -> None:
    async with running(tmp_path) as server, httpx.AsyncClient() as http:
        await server.server.pool.models.wait_models()
        used = [(await server.client.messages.create(**body())).usage]
        (of_one,) = (await server.settled()).cost_usd.values()
        used += [(await server.client.messages.create(**body())).usage for _ in range(2)]
        await server.settled()
        await http.post(server.url + "/v1/messages", json={"no": "such"})
        await http.get(server.url + "/no/" + "x" * 100)
        await http.get(server.url + "/v1/models/nothing")
        await written_down(server)
        text = (await http.get(server.url + "/metrics")).text
        stats = server.stats
    found = {
        (sample.name, *(sample.labels[key] for key in sorted(sample.labels) if key != "pid")):
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }  # fmt: skip
    assert found["trioproxy_requests_total", "/v1/messages", "200"] == 3
    assert found["trioproxy_requests_total", "/v1/messages", "400"] == 1
    assert found["trioproxy_requests_total", "other", "404"] == 1
    refusals = [key[1:] for key in found if key[0] == "trioproxy_refusals_total"]
    assert sorted(refusals) == [
        ("", "unknown_model", "/v1/models/{id}"),
        ("", "unknown_route", "other"),
        ("?", "unknown_parameter", "/v1/messages"),
    ]
    assert found["trioproxy_requests_total", "/v1/models/{id}", "404"] == 1
    assert found["trioproxy_request_seconds_count", "/v1/messages"] == 4
    assert found["trioproxy_pool_created_total",] == stats.connections_created
    states = {
        key[1]: value for key, value in found.items() if key[0] == "trioproxy_pool_processes"
    }
    assert states == {state.value: float(state is WorkerState.IDLE) for state in WorkerState}
    tokens = {key: value for key, value in found.items() if key[0] == "trioproxy_tokens_total"}
    kinds = {key[1]: value for key, value in tokens.items()}
    assert kinds["input"] == sum(item.input_tokens for item in used)
    assert kinds["output"] == sum(item.output_tokens for item in used)
    (cost,) = [value for key, value in found.items() if key[0] == "trioproxy_cost_usd_total"]
    assert cost == pytest.approx(sum(stats.cost_usd.values()))
    assert 0 < cost < 0.01
    assert cost == pytest.approx(3 * of_one, rel=0.5)
    assert "xxx" not in text
    for family in text_string_to_metric_families(text):
        assert family.documentation
        assert family.name.startswith("trioproxy_")
        assert all("pid" in sample.labels for sample in family.samples)


async def test_health_ready_says_what_was_measured(tmp_path: Path) -> None:
    async with running(tmp_path) as server, httpx.AsyncClient(base_url=server.url) as http:
        first = (await http.get("/health/ready")).json()
        await server.client.messages.create(**body())
        await written_down(server)
        second = (await http.get("/health/ready")).json()
        server.server.web.gate.drain.close()
        third = await http.get("/health/ready")
        refused = await http.post("/v1/messages", json=body())
        assert (await http.get("/health/live")).json() == {"status": "ok"}
    assert (first["status"], first["last_answer"], first["logged_in"]) == ("ok", None, None)
    assert second["last_answer"] > 1_700_000_000
    assert second["logged_in"] is True
    assert (third.status_code, third.json()["status"]) == (503, "stopping")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


async def test_what_a_raw_client_may_not_do(tmp_path: Path) -> None:
    limits = ServerSettings(max_body_size=1000, body_timeout=0.3, max_concurrent_requests=1)
    async with running(tmp_path, NOT_NEEDED, server=limits) as server:

        async def say(data: bytes) -> bytes:
            async with await connect(server.url) as stream:
                await stream.send_all(data)
                with trio.fail_after(5):
                    return await read_all(stream)

        head = b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        assert b" 413 " in await say(head + b"content-length: 1001\r\n\r\n" + b"x" * 1001)
        assert b" 408 " in await say(head + b"content-length: 10\r\n\r\nx")
        assert b" 400 " in await say(head + b"content-length: 1\r\ncontent-length: 2\r\n\r\nxx")
