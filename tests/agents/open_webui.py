"""Open WebUI's server, and what its page asks of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server
from typing import Any

import httpx
import orjson

from tests.agents.connected import connect
from tests.agents.install import Program
from tests.agents.runner import Ended, Place, end
from trioproxy.cli.clients import MODEL

START = 120.0  # seconds: it imports a great deal

# One user without a password, and nothing that would be fetched.
_ENVIRON = {
    "WEBUI_AUTH": "False",
    "WEBUI_SECRET_KEY": "dummy",
    "ENABLE_OLLAMA_API": "False",
    "OFFLINE_MODE": "True",
    "HF_HUB_OFFLINE": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "DO_NOT_TRACK": "True",
    "BYPASS_EMBEDDING_AND_RETRIEVAL": "True",
}

Page = Callable[[str, dict[str, Any]], Any]
"""Asks a path with a JSON body: the answer, or the chunks of one that is streamed."""


def asking(program: Program, use: Callable[[Page], str]) -> Callable[[Place], Ended]:
    """Serves it for as long as the page is used; what that returns is the output."""

    def drive(place: Place) -> Ended:
        with _served(program, place) as page:
            return Ended(0, use(page), "")

    return drive


def chat(page: Page, messages: list[Any], **more: Any) -> list[Any]:
    """The chunks of an answer to a conversation, by a model that this server lists."""
    body = {"model": MODEL, "messages": messages, "stream": True, **more}
    chunks: list[Any] = page("/api/chat/completions", body)
    return chunks


def text(chunks: list[Any]) -> str:
    """What the chunks say."""
    deltas = [choice["delta"] for chunk in chunks for choice in chunk.get("choices", ())]
    return "".join(delta.get("content") or "" for delta in deltas)


@contextmanager
def _served(program: Program, place: Place) -> Iterator[Page]:
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    data = place.home / "data"
    data.mkdir()
    environ = {**connect(place, "open-webui"), **_ENVIRON, "DATA_DIR": str(data)}
    log = place.home / "open-webui.log"
    words = [str(program.folder / "bin" / "open-webui"), "serve"]
    # Its output goes to a file: nobody reads a pipe meanwhile.
    command = f"exec {' '.join(words)} --host 127.0.0.1 --port {port} > {log} 2>&1"
    process = place.start(["sh", "-c", command], environ)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            _wait(http, log)
            signed_in = http.post("/api/v1/auths/signin", json={"email": "", "password": ""})
            http.headers["authorization"] = f"Bearer {signed_in.json()['token']}"
            yield lambda path, body: _asked(http, path, body)
    finally:
        end(process)


def _wait(http: httpx.Client, log: Path) -> None:
    last = time.monotonic() + START
    while True:
        try:
            if http.get("/health").is_success:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < last, f"Open WebUI does not start; see {log}"
        time.sleep(0.5)


def _asked(http: httpx.Client, path: str, body: dict[str, Any]) -> Any:
    answer = http.post(path, json=body)
    assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
    if not body.get("stream"):
        return answer.json()
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines()]
    return [orjson.loads(line) for line in lines if line.startswith("{")]
