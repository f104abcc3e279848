"""Claude processes driven by hand, over their pipes, with nothing between: the limit.

    python baseline.py '{"argv": [...], "env": {...}, "cwd": "...", "processes": 2}'

`{"processes": 2}` is told when all have booted. Then each line told is a `Round`, and what
came of it is told back. The exchange is the server's: settings where they differ, the history,
the query, and the rewind. What is written is made beforehand; what is read is looked at no
closer than it takes to know how far a turn is. A process is given a system prompt as the server
gives it, in a slot of the server's plugin: nothing is asked before it says that it has it.
"""

import json
import os
import selectors
import subprocess
import sys
from collections.abc import Generator, Sequence
from functools import partial
from itertools import cycle, islice
from time import perf_counter, sleep
from typing import Any
from uuid import uuid4

from _child import tell
from bench.round import Outcome, Round, Turn

from trioproxy.claude.prompts import NOTHING, SLOTS, SOURCE, agent

_READ = 65_536  # what a pipe holds
_MOST = 400  # turns a second, of one process
_PATIENCE = 120.0
_RESULT = b'"type":"result"'  # not always in front; in a text, the quotes would be escaped
_WENT_BACK = b'"request_id":"back"'
_GRANTED = b'"request_id":"settings"'  # the last of those that give it a prompt
_NOT_SIMPLE = {"CLAUDE_CODE_SIMPLE": ""}
_GUARD = {"type": "text", "text": " "}  # behind each text of the user's, as the server has it


def _line(**fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def _control(number: str, subtype: str, **fields: object) -> bytes:
    request = {"subtype": subtype, **fields}
    return _line(type="control_request", request_id=number, request=request)


def _message(role: str, content: str | list[dict[str, Any]], uuid: str, **more: object) -> bytes:
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    message = {"role": role, "content": blocks + [_GUARD] * (role == "user")}
    if role == "assistant":
        message |= {"id": f"msg_{uuid}", "type": "message"}
    rest = {"parent_tool_use_id": None, "session_id": "", "uuid": uuid}
    return _line(type=role, message=message, **rest, **more)


class Plan:
    """A request, as what is to be written: a line for each message."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.settings = _settings(body)
        self.prompt = body.get("system") or NOTHING
        *history, last = body["messages"]
        self.messages = [json.dumps(message) for message in history]
        self.uuids = [str(uuid4()) for _ in body["messages"]]
        self.lines = [
            _message(
                message["role"],
                message["content"],
                uuid,
                **({"shouldQuery": False} if message["role"] == "user" else {}),
            )
            for message, uuid in zip(history, self.uuids, strict=False)
        ]
        self.lines.append(_message("user", last["content"], self.uuids[-1]))
        self.are_users = [message["role"] == "user" for message in body["messages"]]
        plain = [
            at
            for at, message in enumerate(body["messages"])
            if message["role"] == "user" and "tool_result" not in json.dumps(message)
        ]
        self.last_plain = plain[-1]

    def segments(self, standing: int) -> list[bytes]:
        """What is written behind the messages that stand; each but the last ends in a result."""
        found, data = [], b""
        for line, is_users in zip(self.lines[standing:], self.are_users[standing:], strict=True):
            data += line
            if is_users:
                found.append(data)
                data = b""
        return found


def _settings(body: dict[str, Any]) -> dict[str, Any]:
    more = {name: body[name] for name in ("max_tokens", "tools") if name in body}
    env = {
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(body["max_tokens"]),
        "CLAUDE_CODE_EXTRA_BODY": json.dumps(more),
        "DISABLE_PROMPT_CACHING": "1",
        "CLAUDE_CODE_SIMPLE": "1",
    }
    return {"model": body["model"], "env": env}


_Lines = Generator[None, list[bytes], None]


class Process:
    """A warm one, which takes any system prompt and knows the last ones."""

    def __init__(self, argv: list[str], env: dict[str, str], cwd: str) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(  # noqa: S603 - the CLI
            argv, env=env, cwd=cwd, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin = self._process.stdin.fileno()
        self.stdout = self._process.stdout.fileno()
        self._rest = b""
        self._settings: dict[str, Any] = {}
        self._slots: dict[str, int] = {}  # the least recently used first
        self._standing: list[tuple[str, str, bool]] = []  # message, uuid, whether it is the user's
        self._write(_control("ping", "mcp_status"))

    def wait_booted(self) -> None:
        """Wait until it has booted, and have it take any system prompt."""
        while not any(b'"request_id":"ping"' in line for line in self.read()):
            pass
        self._write(_control("introduction", "initialize"))
        self._write(_control("thinking", "set_max_thinking_tokens", max_thinking_tokens=0))

    def _prepare(self, plan: Plan) -> tuple[list[bytes], bool]:
        """What is to be set before a turn, and whether that is to be granted first."""
        lines = []
        slot = self._slots.pop(plan.prompt, None)
        if is_new := slot is None:
            slot = len(self._slots)
            if slot == SLOTS:
                slot = self._slots.pop(next(iter(self._slots)))
            texts = {**{at: text for text, at in self._slots.items()}, slot: plan.prompt}
            options = {f"p{at}": texts.get(at, "") for at in range(SLOTS)}
            fresh = {"pluginConfigs": {SOURCE: {"options": options}}, "env": _NOT_SIMPLE}
            lines.append(_control("configs", "apply_flag_settings", settings=fresh))
            lines.append(_control("reload", "reload_plugins"))
        self._slots[plan.prompt] = slot
        settings = {**plan.settings, "agent": agent(slot)}
        has_other = self._settings.get("agent") != settings["agent"]
        if is_new or settings != self._settings:
            lines.append(_control("settings", "apply_flag_settings", settings=settings))
        self._settings = settings
        return lines, is_new or has_other

    def turn(self, plan: Plan, *, wants_deltas: bool) -> Generator[None, list[bytes], Turn]:
        """Have it answered, by the lines that are sent in. It is clean again at the end."""
        begun = perf_counter()
        yield from self._ask(plan)
        found: list[float] = []
        deltas: list[float] = []
        while True:
            lines = yield
            now = perf_counter() - begun
            for line in lines:
                if line.startswith(b'{"type":"stream_event"'):
                    found.append(now)
                    if wants_deltas and b'"type":"content_block_delta"' in line:
                        deltas.append(round(now, 6))
                    if b'"type":"message_stop"' in line:
                        whole = now
                elif _RESULT in line:
                    self._write(self._rewind(plan))
                elif b'"rewound":true' in line:
                    return Turn(found[0], whole, deltas)

    def _ask(self, plan: Plan) -> Generator[None, list[bytes], None]:
        """Write all that does not stand yet, up to the query."""
        lines, is_granted_first = self._prepare(plan)
        standing = self._common(plan)
        if standing < len(self._standing):
            lines.insert(0, self._go_back(standing))
            is_granted_first = True
        first, *rest = plan.segments(standing)
        if is_granted_first:
            self._write(b"".join(lines))
            last = _GRANTED if len(lines) > 1 or standing == len(self._standing) else _WENT_BACK
            lines = []
            while not any(last in line for line in (yield)):
                pass
        self._standing = self._standing[:standing]
        self._write(b"".join([*lines, first]))
        for segment in rest:
            while not any(_RESULT in line for line in (yield)):
                pass
            self._write(segment)

    def _common(self, plan: Plan) -> int:
        """How many messages stand already."""
        for at, ((message, _, is_users), other) in enumerate(
            zip(self._standing, [*plan.messages, ""], strict=False)
        ):
            if message != other:
                return at if is_users else at - 1
        return len(self._standing)

    def _go_back(self, standing: int) -> bytes:
        last = [uuid for _, uuid, is_users in self._standing if is_users][-1]
        target = self._standing[standing][1]
        ends = {"target_message_uuid": target, "last_seen_user_message_uuid": last}
        return _control("back", "rewind_conversation", **ends)

    def _rewind(self, plan: Plan) -> bytes:
        """Back to before the last plain message of the user's."""
        stood = len(self._standing)
        fresh = zip(plan.messages, plan.uuids, plan.are_users, strict=False)
        self._standing = [*self._standing, *list(fresh)[stood:]][: plan.last_plain]
        target = plan.uuids[plan.last_plain]
        ends = {"target_message_uuid": target, "last_seen_user_message_uuid": plan.uuids[-1]}
        return _control("rewind", "rewind_conversation", **ends)

    def read(self) -> list[bytes]:
        """The lines of one read."""
        data = os.read(self.stdout, _READ)
        if not data:
            sys.exit("A Claude process that was driven by hand has ended by itself.")
        *lines, self._rest = (self._rest + data).split(b"\n")
        return lines

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._stdin, data) :]


def _drive(process: Process, round_: Round, plans: Sequence[Plan], outcome: Outcome) -> _Lines:
    """One turn after the other."""
    begun = perf_counter()
    for done, plan in enumerate(plans):
        if round_.is_over(done, perf_counter() - begun):
            return
        turn = yield from process.turn(plan, wants_deltas=round_.wants_deltas)
        outcome.ended.append((perf_counter() - begun, turn))
        sleep(round_.pause)
    if not round_.turns:
        sys.exit("By hand, there were more turns than had been made ready: raise _MOST.")


def _run(processes: Sequence[Process], round_: Round) -> Outcome:
    """All of them, by one thread: nobody waits for the interpreter."""
    assert len(processes) == 1 or not round_.pause, "a pause would be everybody's"
    outcome = Outcome(round_.seconds)
    # Made before the time begins: more than there can be turns.
    most = round_.turns or max(10, int(round_.seconds * _MOST))
    plans = [[Plan(body) for body in islice(cycle(round_.bodies), most)] for _ in processes]
    with selectors.DefaultSelector() as selector:
        for process, planned in zip(processes, plans, strict=True):
            driver = _drive(process, round_, planned, outcome)
            next(driver)
            selector.register(process.stdout, selectors.EVENT_READ, (process, driver))
        while selector.get_map():
            ready = selector.select(_PATIENCE)
            if not ready:
                sys.exit("A Claude process that was driven by hand does not answer.")
            for key, _ in ready:
                process, driver = key.data
                try:
                    driver.send(process.read())
                except StopIteration:
                    selector.unregister(process.stdout)
    return outcome


def main() -> None:
    """Be driven by the lines of standard input."""
    result = json.loads(sys.argv[1])
    start = partial(Process, result["argv"], result["env"], result["cwd"])
    processes = [start() for _ in range(result["processes"])]
    for process in processes:
        process.wait_booted()
    tell({"processes": len(processes)})
    for line in sys.stdin:
        round_ = Round(**json.loads(line))
        tell(_run(processes[: round_.at_once], round_).as_json())


if __name__ == "__main__":
    main()
