"""The page in a real browser, driven over its DevTools protocol."""

import shutil
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
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Message, Request

from trioproxy.web.routes import page
from trioproxy.web.routes.views import add_routes

BINARY = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not BINARY, reason="there is no Chromium on PATH"),
]

OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # it loads nothing but our own page, and root has no sandbox
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--remote-debugging-port=0",
)
NONE: dict[str, None] = {"p50": None, "p90": None, "p99": None}


def worker(name: str, state: str) -> dict[str, Any]:
    times = {"uses": 3, "messages": 4, "age": 90.0, "idle": 1.0, "rss": 200_000_000}
    return {"id": name, "pid": 4711, "state": state, "bound": True, **times}


def pool(*workers: dict[str, Any]) -> dict[str, Any]:
    names = (
        "connections_reused acquire_timeouts health_check_failures total_connections waiting boots"
        " available_connections in_use_connections booting boot_failures resets retries"
        " turn_timeouts messages_kept messages_replayed"
    )
    times = {"boot_seconds": NONE, "wait_seconds": NONE, "retirements": {}}
    return {**dict.fromkeys(names.split(), 0), **times, "workers": workers}


@define(eq=False)
class ItemEvent:
    """A snapshot that a test changes."""

    pool: dict[str, Any] = field(factory=pool)
    closing: bool = False
    status: int = 200
    latest: list[dict[str, Any]] = field(factory=list)

    def __call__(self) -> dict[str, Any]:
        return {
            "time": 1_800_000_000.0,
            "pid": 1,
            "version": "0.1.0",
            "uptime": 5.0,
            "offline": False,
            "closing": self.closing,
            "starting": False,
            "trouble": None,
            "pool": self.pool,
            "settings": None,
            "http_pool": {},
            "watching": 1,
            "running": [],
            "latest": self.latest,
            "history": [],
            "recent": {"ended": 0, "failed": 0, **NONE},
        }


@asynccontextmanager
async def serving(result: ItemEvent, port: int = 0) -> AsyncGenerator[str]:
    """Serve for as long as the block lasts; its end cuts no stream that `result` has ended."""
    app = QuartTrio(__name__, static_folder=None)
    add_routes(app, page.views(result))
    app.before_request(partial(_refuse, result))
    config = Config()
    config.bind, config.errorlog = [f"127.0.0.1:{port}"], None
    async with trio.open_nursery() as nursery:
        (url,) = await nursery.start(partial(serve, app, config))
        yield str(url)
        nursery.cancel_scope.cancel()


async def _refuse(result: ItemEvent) -> tuple[str, int] | None:  # noqa: ASYNC124 - or it takes a thread
    return ("", result.status) if result.status >= 400 else None


@define(eq=False)
class Browser:
    """A tab, over its DevTools, and all that has come into its console."""

    _stream: trio.SocketStream
    console: list[str] = field(factory=list, init=False)
    _websocket: WSConnection = field(init=False)
    _answers: dict[int, Any] = field(factory=dict, init=False)
    _news: trio.Condition = field(factory=trio.Condition, init=False)
    _asked: int = field(default=0, init=False)
    _is_open: bool = field(default=False, init=False)
    _text: str = field(default="", init=False)

    async def open(self, host: str, path: str) -> None:
        self._websocket = WSConnection(ConnectionType.CLIENT)
        await self._stream.send_all(self._websocket.send(Request(host=host, target=path)))
        async with self._news:
            while not self._is_open:
                await self._news.wait()
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.context(f"{domain}.enable")

    async def read(self) -> None:
        while data := await self._stream.receive_some():
            self._websocket.receive_data(data)
            async with self._news:
                for event in self._websocket.events():
                    self._on(event)
                self._news.notify_all()

    def _on(self, event: object) -> None:
        self._is_open = self._is_open or isinstance(event, AcceptConnection)
        if not isinstance(event, Message):
            return
        self._text += str(event.data)
        if event.message_finished:
            line, self._text = orjson.loads(self._text), ""
            if "id" in line:
                self._answers[line["id"]] = line
            elif line["method"] == "Log.entryAdded":
                record = line["params"]["entry"]
                self.console.append(f"{record['text']} {record.get('url', '')}")
            elif line["method"] in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown"}:
                self.console.append(str(line["params"]))

    async def context(self, method: str, **params: object) -> Any:
        self._asked = number = self._asked + 1
        line = orjson.dumps({"id": number, "method": method, "params": params}).decode()
        await self._stream.send_all(self._websocket.send(Message(line)))
        async with self._news:
            while number not in self._answers:
                await self._news.wait()
        return self._answers.pop(number)["result"]

    async def value(self, script: str) -> Any:
        found = await self.context("Runtime.evaluate", expression=script, returnByValue=True)
        return found["result"].get("value")

    async def text(self, selector: str) -> str:
        script = f"document.querySelector({selector!r})?.textContent ?? ''"
        return str(await self.value(script))

    async def wait_text(self, selector: str, expected: Callable[[str], bool]) -> None:
        text = ""
        with trio.move_on_after(10):
            while True:
                text = await self.text(selector)
                if expected(text):
                    return
                await trio.sleep(0.05)
        pytest.fail(f"{selector} has {text!r}; the console: {self.console}")


@asynccontextmanager
async def browsing(profile: Path) -> AsyncGenerator[Browser]:
    async with trio.open_nursery() as nursery:
        command = [BINARY, *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        quiet = partial(trio.run_process, command, capture_stdout=True, capture_stderr=True)
        nursery.start_soon(partial(quiet, check=False))
        port = await _debugging_port(profile / "DevToolsActivePort")
        async with httpx.AsyncClient(trust_env=False) as http:
            tabs = (await http.get(f"http://127.0.0.1:{port}/json")).json()
        url = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        host, _, path = url.removeprefix("ws://").partition("/")
        async with (
            await trio.open_tcp_stream("127.0.0.1", port) as stream,
            trio.open_nursery() as reading,
        ):
            browser = Browser(stream)
            reading.start_soon(browser.read)
            await browser.open(host, f"/{path}")
            yield browser
            reading.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


async def _debugging_port(file: Path) -> int:
    words: list[str] = []
    with trio.fail_after(30):
        while len(words) < 2:
            await trio.sleep(0.05)
            words = file.read_text().split() if file.exists() else []
    return int(words[0])


async def test_it_shows_what_is_now_and_survives_a_restart(tmp_path: Path) -> None:
    result = ItemEvent(pool(worker("w1", "idle")))
    async with browsing(tmp_path) as browser:
        async with serving(result) as url:
            await browser.context("Page.navigate", url=url)
            await browser.wait_text("#workers", lambda text: "Idle" in text and "w1" in text)
            assert await browser.text("#state-word") == "Serving"
            assert "curl" in await browser.text("#no-latest")
            result.pool = pool(worker("w1", "busy"), worker("w2", "booting"))
            await browser.wait_text("#workers", lambda text: "Busy" in text and "Booting" in text)
            result.closing = True
            await browser.wait_text("#state-word", lambda text: text.startswith("Connection lost"))
            assert "goes on by itself" in await browser.text("#notice")
        await trio.sleep(1.5)  # for a look or two at a port where nobody listens
        result.closing = False
        result.pool = pool(worker("w9", "idle"))
        async with serving(result, int(url.rpartition(":")[2])):
            await browser.wait_text("#state-word", lambda text: text == "Serving")
            await browser.wait_text("#workers", lambda text: "w9" in text and "w1" not in text)
            result.closing = True
            await browser.wait_text("#state-word", lambda text: text.startswith("Connection lost"))
        assert browser.console == []


async def test_a_server_that_dies_leaves_one_line_in_the_console(tmp_path: Path) -> None:
    result = ItemEvent(pool(worker("w1", "idle")))
    async with browsing(tmp_path) as browser:
        async with serving(result) as url:
            await browser.context("Page.navigate", url=url)
            await browser.wait_text("#workers", lambda text: "w1" in text)
            await trio.sleep(1)  # the browser fetches the icon when it has time
        await browser.wait_text("#state-word", lambda text: text.startswith("Connection lost"))
        await trio.sleep(1.5)
        async with serving(result, int(url.rpartition(":")[2])):
            await browser.wait_text("#state-word", lambda text: text == "Serving")
            # The browser's own, of a response that broke off; of the looks thereafter, none.
            assert len(browser.console) == 1
            assert "ERR_INCOMPLETE_CHUNKED_ENCODING" in browser.console[0]
            result.closing = True
            await browser.wait_text("#state-word", lambda text: text.startswith("Connection lost"))


async def test_it_says_what_to_do_when_a_token_is_wanted(tmp_path: Path) -> None:
    result = ItemEvent(pool(worker("w1", "idle")))
    async with browsing(tmp_path) as browser, serving(result) as url:
        await browser.context("Page.navigate", url=url)
        await browser.wait_text("#workers", lambda text: "w1" in text)
        result.closing = True
        await browser.wait_text("#state-word", lambda text: text.startswith("Connection lost"))
        result.status = 503
        await browser.wait_text("#notice", lambda text: "status 503" in text)
        result.status = 401
        await browser.wait_text("#state-word", lambda text: text == "Not allowed")
        assert "a password, which is the token" in await browser.text("#notice")
        assert browser.console == []


async def test_text_of_callers_stays_text(tmp_path: Path) -> None:
    ended = {
        "id": "req_1",
        "method": "POST",
        "route": "<img src=x onerror=alert(1)>",
        "token": "",
        "model": "<b>bold</b>",
        "worker": "w1",
        "stage": "done",
        "seconds": 1.0,
        "spent": {"waiting": 0, "binding": 0, "thinking": 1, "streaming": 0},
        "at": 1_800_000_000.0,
        "status": 500,
        "sent": 0,
        "tokens": None,
        "failure": "<script>alert(1)</script>",
    }
    result = ItemEvent(latest=[ended])
    async with browsing(tmp_path) as browser, serving(result) as url:
        await browser.context("Page.navigate", url=url)
        await browser.wait_text("#latest tbody", lambda text: "<b>bold</b>" in text)
        assert "<img src=x" in await browser.text("#latest .what")
        assert (
            await browser.value("document.querySelectorAll('main :is(img, b b, script)').length")
            == 0
        )
        assert browser.console == []
        result.closing = True
        await browser.wait_text("#state-word", lambda text: text.startswith("Connection lost"))
