"""Open WebUI's server, and what its page asks of it."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from socket import create_server
from typing import Any
from uuid import uuid4

import httpx
import orjson
from attrs import frozen

from tests.agents.apis import Api
from tests.agents.connected import connect
from tests.agents.install import Program
from tests.agents.runner import Ended, Place, end
from trioproxy.cli.clients import MODEL

START = 120.0  # seconds: it imports a great deal
ANSWER = 60.0  # seconds for an answer, and what is asked beside

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

# An administrator's choice for a connection: which of OpenAI's APIs it speaks.
_RESPONSES = {"OPENAI_API_CONFIGS": '{"0": {"enable": true, "api_type": "responses"}}'}

_BESIDE = ("title_generation", "tags_generation", "follow_up_generation")

Page = Callable[[str, dict[str, Any] | None], Any]
"""Asks a path, with a JSON body or without: the answer, or the chunks of one that is streamed."""


@frozen
class Answered:
    """A chat of the page's, and its last answer."""

    chat: str
    answer: str
    title: str
    text: str
    follow_ups: list[str]


def asking(
    program: Program, use: Callable[[Page], str], *, api: Api = "chats"
) -> Callable[[Place], Ended]:
    """Serves it for as long as the page is used; what that returns is the output."""

    def drive(place: Place) -> Ended:
        with _served(program, place, _RESPONSES if api == "responses" else {}) as page:
            return Ended(0, use(page), "")

    return drive


def chat(page: Page, messages: list[Any], **more: Any) -> list[Any]:
    """The chunks of an answer to a conversation, by a model that this server lists."""
    body = {"model": MODEL, "messages": messages, "stream": True, **more}
    chunks: list[Any] = page("/api/chat/completions", body)
    return chunks


def say(page: Page, words: str, tools: str, behind: Answered | None = None) -> Answered:
    """Say it as the page does, in a new chat or behind an answer, with tools that are run there.

    Waits for the answer, and for what is asked beside it.
    """
    parent = behind and behind.answer
    about = {"parentId": parent, "childrenIds": [], "timestamp": 0, "models": [MODEL]}
    message = {"id": str(uuid4()), "role": "user", "content": words, **about}
    answer = str(uuid4())
    body = {
        "model": MODEL,
        "stream": True,
        "id": answer,
        "parent_id": parent,
        "user_message": message,
        "messages": [{"role": "user", "content": words}],
        "session_id": "page",
        "tool_ids": [tools],
        "background_tasks": dict.fromkeys(_BESIDE, True),
        **({"chat_id": behind.chat} if behind else {}),
    }
    chat_id = page("/api/chat/completions", body)["chat_id"]
    last = time.monotonic() + ANSWER
    while page(f"/api/tasks/chat/{chat_id}", None)["task_ids"]:
        assert time.monotonic() < last, "no answer"
        time.sleep(0.1)
    found = page(f"/api/v1/chats/{chat_id}", None)
    answered = found["chat"]["history"]["messages"][answer]
    assert "error" not in answered, answered["error"]
    more = answered.get("followUps", [])
    return Answered(chat_id, answer, found["title"], answered["content"], more)


def text(chunks: list[Any]) -> str:
    """What the chunks say."""
    deltas = [choice["delta"] for chunk in chunks for choice in chunk.get("choices", ())]
    return "".join(delta.get("content") or "" for delta in deltas)


@contextmanager
def _served(program: Program, place: Place, more: Mapping[str, str]) -> Iterator[Page]:
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    data = place.home / "data"
    data.mkdir()
    environ = {**connect(place, "open-webui"), **_ENVIRON, **more, "DATA_DIR": str(data)}
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


def _asked(http: httpx.Client, path: str, body: dict[str, Any] | None) -> Any:
    answer = http.get(path) if body is None else http.post(path, json=body)
    assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
    if answer.headers["content-type"] == "application/json":
        return answer.json()
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines()]
    return [orjson.loads(line) for line in lines if line.startswith("{")]
