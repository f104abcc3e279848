"""The page and what it is told, over a socket where it is a stream."""

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import trio
from attrs import define, field
from hypercorn.config import Config
from hypercorn.trio import serve
from quart_trio import QuartTrio

import trioproxy.web
from trioproxy.web.routes import page
from trioproxy.web.routes.views import add_routes

pytestmark = pytest.mark.real

STATIC = Path(trioproxy.web.__file__).parent / "static"
PATHS = {
    "/": "text/html; charset=utf-8",
    "/status/page.css": "text/css; charset=utf-8",
    "/status/page.js": "text/javascript; charset=utf-8",
    "/status/icon.svg": "image/svg+xml",
    "/status": "application/json",
}


@define(eq=False)
class Counting:
    """A snapshot that says how often it was asked for; at the `last` one the server closes."""

    last: int = -1
    asked: int = field(default=0, init=False)

    def __call__(self) -> dict[str, Any]:
        self.asked += 1
        return {"asked": self.asked, "closing": self.asked == self.last}


def app_of(snapshot: Callable[[], dict[str, Any]]) -> QuartTrio:
    app = QuartTrio(__name__, static_folder=None)
    add_routes(app, page.views(snapshot))
    return app


@asynccontextmanager
async def serving(snapshot: Callable[[], dict[str, Any]]) -> AsyncGenerator[httpx.AsyncClient]:
    config = Config()
    config.bind, config.errorlog = ["127.0.0.1:0"], None
    async with trio.open_nursery() as nursery:
        (url,) = await nursery.start(partial(serve, app_of(snapshot), config))
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=5) as http:
            yield http
        nursery.cancel_scope.cancel()


def policy_of(headers: Any) -> dict[str, str]:
    parts = headers["content-security-policy"].split("; ")
    return {name: rest for name, _, rest in (part.partition(" ") for part in parts)}


@pytest.mark.parametrize("path", PATHS)
async def test_each_response_keeps_to_itself(path: str) -> None:
    response = await app_of(Counting()).test_client().get(path)
    headers = response.headers
    assert (response.status_code, headers["content-type"]) == (200, PATHS[path])
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    policy = policy_of(headers)
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    is_icon = path.endswith(".svg")  # the page has it as an object, to find its server by
    assert policy["frame-ancestors"] == ("'self'" if is_icon else "'none'")
    assert headers["cache-control"] == ("no-store" if is_icon or path == "/status" else "no-cache")


async def test_the_page_may_run_its_own_script_only() -> None:
    response = await app_of(Counting()).test_client().get("/")
    policy = policy_of(response.headers)
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert (policy["require-trusted-types-for"], policy["trusted-types"]) == ("'script'", "'none'")


def test_the_page_asks_nobody_else_and_has_nothing_inline() -> None:
    html = (STATIC / "index.html").read_text()
    expected = set(re.findall(r'(?:src|href|data)="([^"#]+)"', html))
    assert {item for item in expected if item.startswith("/status/")} == {*PATHS} - {
        "/",
        "/status",
    }
    assert all(item.startswith("/") and not item.startswith("//") for item in expected)
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script>", html)
    for name in ("page.css", "page.js", "index.html"):
        text = (STATIC / name).read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|@import|url\(", text)


def test_the_script_makes_no_markup_of_data_and_logs_nothing() -> None:
    script = (STATIC / "page.js").read_text()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|console\.", script
    )


def test_what_the_script_looks_for_is_in_the_page() -> None:
    html, script = ((STATIC / name).read_text() for name in ("index.html", "page.js"))
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r'\bat\("([^"]+)"\)', script)) <= set(ids)
    assert set(re.findall(r'(?:labelledby|describedby|controls)="([^"]+)"', html)) <= set(ids)


async def test_files_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_of(Counting())
    monkeypatch.setattr(page, "files", None)
    assert (await app.test_client().get("/")).status_code == 200


async def test_status_is_what_is_now() -> None:
    client = app_of(Counting()).test_client()
    for number in (1, 2):
        response = await client.get("/status")
        assert await response.get_json() == {"asked": number, "closing": False}


async def test_the_stream_tells_at_once_and_ends_with_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page, "_INTERVAL", 0.01)
    async with serving(Counting(last=3)) as http:
        response = await http.get("/status/events")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    lines = response.text.split("\n\n")
    assert [orjson.loads(line.removeprefix("data: ")) for line in lines[:-1]] == [
        {"asked": 1, "closing": False},
        {"asked": 2, "closing": False},
        {"asked": 3, "closing": True},
    ]
    assert lines[-1] == ""


async def test_a_viewer_that_has_left_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "_INTERVAL", 0.01)
    counting = Counting()
    async with serving(counting) as http:
        assert http.base_url.port is not None
        async with await trio.open_tcp_stream("127.0.0.1", http.base_url.port) as stream:
            await stream.send_all(b"GET /status/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert b"200" in await stream.receive_some()
        await trio.sleep(0.1)
        before = counting.asked
        await trio.sleep(0.1)
        assert counting.asked == before > 0


async def test_a_head_does_not_open_a_stream() -> None:
    counting = Counting()
    async with serving(counting) as http:
        response = await http.head("/status/events")
    assert (response.status_code, counting.asked) == (200, 0)
