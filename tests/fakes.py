"""The Claude CLI in memory: the same wire, on whatever clock the test runs.

`FakeCLI` launches processes that behave; the classes below it stall or fail at the moment that
their name says. Its times are round so that a test can say when each thing happens.
tests/real/test_fake_contract.py runs the same behaviours on this and on the real CLI.
"""

import json
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import trio
from attrs import define, field
from trio_util import RepeatedEvent

from trioproxy.claude.turn import Message, Turn

BOOT = 0.5  # from the launch to the first answered ping
ANSWER = 1.0  # from the query to its result, with the default number of words
WORDS = 4
COST = 0.25  # USD for each query


def turn(text: str = "hello", *, system: str = "", max_tokens: int = 100) -> Turn:
    """A turn of one message."""
    sent = Message("user", ({"type": "text", "text": text},))
    return Turn(model="claude-test", max_tokens=max_tokens, messages=(sent,), system=system)


@define(eq=False)
class FakeProcess:
    """One process in memory: implements `Pipes`. What it was asked is in `asked`."""

    pid: int
    boot: float = BOOT
    answer: float = ANSWER
    memory: int | None = None
    models: tuple[dict[str, str], ...] = ()
    system: str | None = field(default=None, init=False)
    conversation: list[dict[str, Any]] = field(factory=list, init=False)
    asked: list[tuple[str, list[str]]] = field(factory=list, init=False)
    options: dict[str, str] = field(factory=dict, init=False)
    agents: dict[str, str] = field(factory=dict, init=False)
    reloads: int = field(default=0, init=False)
    interrupts: int = field(default=0, init=False)
    has_ended: bool = field(default=False, init=False)
    return_code: int = field(default=0, init=False)
    cost: float = field(default=0.0, init=False)
    nursery: trio.Nursery = field(init=False)
    _results_due: int = field(default=0, init=False)
    _stderr: str = field(default="", init=False)
    _stderr_written: RepeatedEvent = field(factory=RepeatedEvent, init=False)
    _stderr_closed: trio.Event = field(factory=trio.Event, init=False)
    _answering: trio.CancelScope | None = field(default=None, init=False)
    _stdin: Any = field(init=False)
    _stdout: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._stdin = trio.open_memory_channel[dict[str, Any]](1000)
        self._stdout = trio.open_memory_channel[bytes](1000)

    # What a worker sees of it.

    async def send_all(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self._take(data)

    def _take(self, data: bytes) -> None:
        assert data.endswith(b"\n"), "part of a line"
        for line in map(json.loads, data.splitlines()):
            if line["type"] in {"user", "assistant"}:
                # The real CLI loses its place in the conversation, and answers something else.
                assert not self._results_due, "a message before the result of the last"
            self._results_due += line["type"] == "user"
            if not self.has_ended:
                self._stdin[0].send_nowait(line)

    async def receive_some(self) -> bytes:
        try:
            first: bytes = await self._stdout[1].receive()
        except trio.EndOfChannel:
            return b""
        return self._handed_out(first)

    def _handed_out(self, data: bytes) -> bytes:
        self._results_due -= sum(
            json.loads(line)["type"] == "result" for line in data.splitlines() if line[:1] == b"{"
        )
        return data

    def receive_nowait(self) -> bytes | None:
        try:
            data: bytes = self._stdout[1].receive_nowait()
        except trio.WouldBlock:
            return None
        except trio.EndOfChannel:
            return b""
        return self._handed_out(data)

    def send_nowait(self, data: bytes) -> bool:
        self._take(data)
        return True

    def rss(self) -> int | None:
        return self.memory

    def clear_stderr(self) -> None:
        self._stderr = ""

    async def wait_stderr_closed(self) -> None:
        await self._stderr_closed.wait()

    async def wait_ended(self) -> int:
        await self._stderr_closed.wait()
        return self.return_code

    @property
    def has_stderr(self) -> bool:
        return bool(self._stderr)

    async def wait_stderr(self) -> None:
        await self._stderr_written.wait()

    def stderr_tail(self) -> str:
        return self._stderr.strip()

    # What it does.

    def end(self, return_code: int = 1) -> None:
        """Die: nothing is read or written any more."""
        if not self.has_ended:
            self.has_ended, self.return_code = True, return_code
            self.print_stderr("fake words")
            self._stderr_closed.set()
            self._stdout[0].close()

    def print_stderr(self, text: str) -> None:
        """Write a line to stderr."""
        self._stderr += f"{text}\n"
        self._stderr_written.set()

    def write(self, *lines: dict[str, Any]) -> None:
        """Print lines at one go."""
        if not self.has_ended:
            self._stdout[0].send_nowait(b"".join(orjson.dumps(line) + b"\n" for line in lines))

    async def run(self) -> None:
        """Be the CLI."""
        await trio.sleep(self.boot)
        async with trio.open_nursery() as self.nursery:
            async for line in self._stdin[1]:
                if self.has_ended:
                    break
                match line["type"]:
                    case "control_request":
                        self.on_control(line["request_id"], line["request"])
                    case "assistant":
                        self.conversation.append(line)
                    case "user":
                        self.conversation.append(line)
                        if line.get("shouldQuery") is False:
                            self.write({"type": "result", "subtype": "success", "result": ""})
                        else:
                            self.nursery.start_soon(self.answer_query, line["uuid"])

    def on_control(self, request_id: str, request: dict[str, Any]) -> None:
        """Answer a control request."""
        body: dict[str, Any] = {}
        match request["subtype"]:
            case "initialize":
                if "systemPrompt" in request:
                    self.system = self.system or request["systemPrompt"]
                body = {"models": self.models}
            case "apply_flag_settings":
                self._apply(request["settings"])
            case "reload_plugins":
                self.reloads += 1
                self.agents = {**self.options}
            case "interrupt":
                self.interrupts += 1
                if self._answering is not None:
                    self._answering.cancel()
            case "rewind_conversation":
                body = {"rewound": self.rewind(request)}
            case _:
                pass
        response = {"subtype": "success", "request_id": request_id, "response": body}
        self.write({"type": "control_response", "response": response})

    def _apply(self, settings: dict[str, Any]) -> None:
        for plugin in settings.get("pluginConfigs", {}).values():
            self.options = plugin["options"]
        if settings.get("agent"):
            self.system = self.agents[f"p{settings['agent'].partition(':a')[2]}"]
        elif "agent" in settings:
            self.system = None

    def rewind(self, request: dict[str, Any]) -> bool:
        """Cut the conversation before a user message, if it is the one that is meant."""
        users = [line["uuid"] for line in self.conversation if line["type"] == "user"]
        target = request["target_message_uuid"]
        if target not in users or users[-1] != request["last_seen_user_message_uuid"]:
            return False
        uuids = [line["uuid"] for line in self.conversation]
        del self.conversation[uuids.index(target) :]
        return True

    async def answer_query(self, uuid: str) -> None:
        """Answer as the API does: `WORDS` deltas over the time `answer`."""
        self.write({"type": "command_lifecycle", "command_uuid": uuid, "state": "started"})
        self.asked.append((self.system or "", [_text(line) for line in self.conversation]))
        self.cost += COST
        result = {"type": "result", "subtype": "success", "total_cost_usd": self.cost}
        with trio.CancelScope() as self._answering:
            await self.stream()
            self.write({**result, "result": "..."})
            return
        self.write({**result, "subtype": "error_during_execution", "is_error": True})

    async def stream(self) -> None:
        """The events of an answer."""
        self.event("message_start", message={"id": "msg_1", "model": "claude-test", "usage": {}})
        self.event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        for word in range(WORDS):
            await trio.sleep(self.answer / WORDS)
            self.event(
                "content_block_delta", index=0, delta={"type": "text_delta", "text": f"w{word} "}
            )
        self.event("content_block_stop", index=0)
        self.event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 4})
        self.event("message_stop")

    def event(self, kind: str, **fields: object) -> None:
        """Print one of the API's events."""
        self.write({"type": "stream_event", "event": {"type": kind, **fields}})


def _text(line: dict[str, Any]) -> str:
    return str(line["message"]["content"][0]["text"])


class ThinksUnseen(FakeProcess):
    """Thinks for eight seconds, with a delta each half second, and then answers."""

    async def stream(self) -> None:
        self.event("message_start", message={"id": "msg_1", "model": "claude-test", "usage": {}})
        thought = {"type": "thinking", "thinking": "", "signature": ""}
        self.event("content_block_start", index=0, content_block=thought)
        for _ in range(16):
            await trio.sleep(0.5)
            hm = {"type": "thinking_delta", "thinking": "hm"}
            self.event("content_block_delta", index=0, delta=hm)
        self.event("content_block_stop", index=0)
        self.event("content_block_start", index=1, content_block={"type": "text", "text": ""})
        self.event("content_block_delta", index=1, delta={"type": "text_delta", "text": "yes"})
        self.event("content_block_stop", index=1)
        self.event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 9})
        self.event("message_stop")


class ResetsInItsReadersTask(FakeProcess):
    """Is clean a quarter of a second later, and its worker wakes up at that very instant."""

    async def receive_some(self) -> bytes:
        data = await super().receive_some()
        if b'"rewound":true' in data:
            await trio.sleep(0.25)
        return data


class RejectsSettings(FakeProcess):
    """Rejects the settings of a turn."""

    def on_control(self, request_id: str, request: dict[str, Any]) -> None:
        if request["subtype"] != "apply_flag_settings":
            super().on_control(request_id, request)
            return
        response = {"subtype": "error", "request_id": request_id, "error": "no such setting"}
        self.write({"type": "control_response", "response": response})


class RefusedByTheAPI(FakeProcess):
    """The API refuses the request: its own words are on stderr, the CLI's in the result."""

    async def answer_query(self, uuid: str) -> None:
        self.write({"type": "command_lifecycle", "command_uuid": uuid, "state": "started"})
        error = {"type": "overloaded_error", "message": "Overloaded"}
        body = json.dumps({"type": "error", "error": error, "request_id": "req_1"})
        self.print_stderr(f"2026-11-21T03:14:08.538Z [ERROR] API error (attempt 1/1): 529 {body}")
        self.write(
            {
                "type": "result",
                "subtype": "success",
                "is_error": True,
                "api_error_status": 529,
                "result": "API Error: 529 Overloaded. This is a server-side issue, usually brief.",
            }
        )


class AnswersLate(FakeProcess):
    """Says nothing for five seconds."""

    async def stream(self) -> None:
        await trio.sleep(5)
        await super().stream()


class FailsLate(FakeProcess):
    """Says nothing for five seconds, and then that the API is overloaded."""

    async def answer_query(self, uuid: str) -> None:
        self.write({"type": "command_lifecycle", "command_uuid": uuid, "state": "started"})
        await trio.sleep(5)
        self.write(
            {
                "type": "result",
                "subtype": "success",
                "is_error": True,
                "api_error_status": 529,
                "result": "API Error: 529 Overloaded",
            }
        )


class StallsMidAnswer(FakeProcess):
    """Writes the first events, then nothing; an interrupt still works."""

    async def stream(self) -> None:
        self.event("message_start", message={"id": "msg_1", "model": "claude-test", "usage": {}})
        await trio.sleep_forever()


class StallsForGood(StallsMidAnswer):
    """As `StallsMidAnswer`, and it does not heed interrupts."""

    def on_control(self, request_id: str, request: dict[str, Any]) -> None:
        if request["subtype"] != "interrupt":
            super().on_control(request_id, request)


class DiesMidAnswer(FakeProcess):
    """Ends after the first event."""

    async def stream(self) -> None:
        self.event("message_start", message={"id": "msg_1", "model": "claude-test", "usage": {}})
        await trio.sleep(0.25)
        self.end()
        await trio.sleep_forever()


class DiesUnseen(FakeProcess):
    """Ends when it is asked something, before it has said anything."""

    async def stream(self) -> None:
        self.end()
        await trio.sleep_forever()


class NeverRewinds(FakeProcess):
    """Says that it has not rewound."""

    def rewind(self, request: dict[str, Any]) -> bool:
        return False


class NeverBoots(FakeProcess):
    """Starts and answers nothing."""

    async def run(self) -> None:
        await trio.sleep_forever()


class KilledAtBoot(FakeProcess):
    """Is killed while it boots."""

    async def run(self) -> None:
        await trio.sleep(0.25)
        self.end(-signal.SIGKILL)


class DiesAtBoot(FakeProcess):
    """Ends at once."""

    async def run(self) -> None:
        await trio.sleep(0.25)
        self.end()


Kind = Callable[[int], FakeProcess]


@define(eq=False)
class FakeCLI:
    """Launches fake processes: the kinds in `planned` first, then `kind` for ever."""

    kind: Kind = FakeProcess
    planned: list[Kind] = field(factory=list)
    launched: list[FakeProcess] = field(factory=list, init=False)
    launched_at: list[float] = field(factory=list, init=False)
    alive: int = field(default=0, init=False)

    @asynccontextmanager
    async def __call__(self) -> AsyncGenerator[FakeProcess]:
        kind = self.planned.pop(0) if self.planned else self.kind
        process = kind(1000 + len(self.launched))
        self.launched.append(process)
        self.launched_at.append(trio.current_time())
        self.alive += 1
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(process.run)
                yield process
                nursery.cancel_scope.cancel()
        finally:
            self.alive -= 1
            process.end()


class Forgets(FakeProcess):
    """Keeps no record of what it was asked."""

    async def stream(self) -> None:
        self.asked.clear()
        await super().stream()


class IgnoresRewind(FakeProcess):
    """Does not answer when it is to rewind."""

    def on_control(self, request_id: str, request: dict[str, object]) -> None:
        if request["subtype"] != "rewind_conversation":
            super().on_control(request_id, request)


class HearsNothing(FakeProcess):
    """Boots, and is stopped when it is handed a turn."""

    async def answer_query(self, uuid: str) -> None:
        await trio.sleep_forever()

    def on_control(self, request_id: str, request: dict[str, object]) -> None:
        if request["subtype"] == "mcp_status":
            super().on_control(request_id, request)


class DiesYoung(FakeProcess):
    """Answers its first ping, and ends."""

    def on_control(self, request_id: str, request: dict[str, object]) -> None:
        super().on_control(request_id, request)
        self.end()


class Stops(FakeProcess):
    """Boots, and hears nothing after that, like a process that was stopped."""

    is_stopped = False

    def on_control(self, request_id: str, request: dict[str, object]) -> None:
        if not self.is_stopped:
            super().on_control(request_id, request)


class NeverBegins(FakeProcess):
    """Takes the query and answers nothing; an interrupt still works."""

    async def stream(self) -> None:
        await trio.sleep_forever()


class GoesOnForEver(FakeProcess):
    """Writes a word a second, without end."""

    async def stream(self) -> None:
        self.event("message_start", message={"id": "msg_1", "usage": {}})
        while True:
            await trio.sleep(1.0)
            self.event("content_block_delta", index=0, delta={"type": "text_delta", "text": "w"})


class ResetsSlowly(FakeProcess):
    """Takes a second to rewind."""

    def on_control(self, request_id: str, request: dict[str, Any]) -> None:
        if request["subtype"] == "rewind_conversation":
            self.nursery.start_soon(self._rewind_later, request_id, request)
        else:
            super().on_control(request_id, request)

    async def _rewind_later(self, request_id: str, request: dict[str, Any]) -> None:
        await trio.sleep(1)
        super().on_control(request_id, request)


class Introduces(FakeProcess):
    """Says which models there are, when it is initialized."""

    def on_control(self, request_id: str, request: dict[str, Any]) -> None:
        if request["subtype"] != "initialize":
            super().on_control(request_id, request)
            return
        self.system = request["systemPrompt"]
        models = [{"value": "owl", "resolvedModel": "claude-owl-1", "displayName": "Owl"}]
        response = {"subtype": "success", "request_id": request_id, "response": {"models": models}}
        self.write({"type": "control_response", "response": response})


class ReloadsOnce(FakeProcess):
    """Says nothing any more when it is to read its plugins a second time."""

    def on_control(self, request_id: str, request: dict[str, Any]) -> None:
        if request["subtype"] != "reload_plugins" or not self.reloads:
            super().on_control(request_id, request)


class ReloadsSlowly(FakeProcess):
    """Takes a second to read its plugins again, and says nothing else meanwhile."""

    def on_control(self, request_id: str, request: dict[str, Any]) -> None:
        now = trio.current_time()
        wait = 1.0 if request["subtype"] == "reload_plugins" else 0.001
        self.free_at = max(self.free_at, now) + wait
        self.nursery.start_soon(self._later, self.free_at, request_id, request)

    free_at = 0.0

    async def _later(self, time: float, request_id: str, request: dict[str, Any]) -> None:
        await trio.sleep_until(time)
        super().on_control(request_id, request)


BINDING = ("configs", "reload", "thinking", "agent")
"""What a process is asked for that is to have another prompt, in this order."""


def fails_binding(how: str, at: str) -> Kind:
    """A process that "rejects" one of these requests, "stops" there, or "dies"."""

    class FailsBinding(FakeProcess):
        is_stopped = False

        def on_control(self, request_id: str, request: dict[str, Any]) -> None:
            if self.is_stopped:
                return
            self.is_stopped = _binds(request) == at  # whatever it does, it does nothing else
            if not self.is_stopped:
                super().on_control(request_id, request)
            elif how == "dies":
                self.end()
            elif how == "rejects":
                error = {"subtype": "error", "request_id": request_id, "error": "no such thing"}
                self.write({"type": "control_response", "response": error})

    return FailsBinding


def _binds(request: dict[str, Any]) -> str:
    settings = request.get("settings", {})
    kinds = {
        "reload_plugins": "reload",
        "set_max_thinking_tokens": "thinking",
        "apply_flag_settings": "agent" if "agent" in settings else "configs",
    }
    return kinds.get(request["subtype"], "")


class GoesBackOnce(FakeProcess):
    """Does not go back a second time, but says that it has not."""

    rewinds = 0

    def rewind(self, request: dict[str, Any]) -> bool:
        self.rewinds += 1
        return self.rewinds == 1 and super().rewind(request)
