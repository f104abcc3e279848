"""The exchange of one turn with a warm CLI process, as a state machine without I/O.

Theory of operation. A process holds one conversation, empty before the turn and after it. The
turn is written in segments, each ending with a user message: control requests and the first
message, then an assistant message and the next user message, and so on. The CLI answers each
history message with a bare `result`; only then may the next segment follow, or it loses its
place. The last user message is the query: the API's events come as `stream_event` lines, then
the `result` that says how it ended. `rewind_conversation` then cuts the conversation back to
nothing, and only its `rewound: true` proves it.

Where the process is to have another system prompt, that is asked for first, and the first segment
waits for all the answers: a message that is in the pipe goes out with the prompt before.

    state         what comes                      what follows                   next state
    BINDING       the last success                first segment                  REPLAYING
    BINDING       ... when it is the query        the query                      ANSWERING
    BINDING       abandon()                       nothing: answers are due       UNBINDING
    UNBINDING     the last success                nothing: it was not asked      CLEAN
    REPLAYING     result of a history message     next segment                   REPLAYING
    REPLAYING     ... when one segment is left    the query                      ANSWERING
    REPLAYING     abandon()                       nothing: that result is due    LEAVING
    LEAVING       result of a history message     rewind                         RESETTING
    ANSWERING     stream_event                    it is handed on                ANSWERING
    ANSWERING     ... when it is message_stop     interrupt, if it was cut       SETTLING
    ANSWERING     result                          `error` is set; rewind         RESETTING
    ANSWERING     message_start after refused()   `error` is set                 SPOILED
    ANSWERING     abandon()                       interrupt, once it has begun   SETTLING
    SETTLING      a sign that it goes on          interrupt                      SETTLING
    SETTLING      result                          rewind                         RESETTING
    RESETTING     rewound: true                   nothing                        CLEAN
    any           a control request that fails    `error` is set                 SPOILED
    RESETTING     anything but rewound: true      nothing                        SPOILED

Lines that are not listed are passed over: the CLI writes many that tell a terminal what to show.

With tools of the CLI's own, `message_stop` ends the answer only when no tool was called: see
`merging.py`.

Six things were seen that a stream's reader must not fall for.

- When the API fails after the first event, the CLI closes the open block and writes a
  `message_stop` of its own, so that a truncated answer looks like a whole one. From the CLI's own
  `<synthetic>` message on, from a `message_delta` without a stop reason, or at a `message_stop`
  without any, nothing is handed on, and the `result` tells the error.
- When the model refuses, the CLI writes such a message too, with the stop reason `refusal`, and
  only then the API's own `message_delta` and `message_stop`: that is an answer, and is handed on.
  The `result` calls it an error; by then the caller has had its answer.
- After some refusals of the API (of an effort, a signature, a stream), the CLI asks again for less
  than the caller did, and remembers. Its error output tells of the refusal: see `refused`.
- When an answer is cut at `max_tokens`, or shows nothing, the CLI asks the model to go on, up to
  three times. It is interrupted at the `message_delta` that says so, and nothing of what follows
  is handed on. (The next API call may have left within that millisecond; it is dropped as it
  begins.)
- An `interrupt` that overtakes the message it is meant for is answered with success and
  interrupts nothing. It waits for the message to have begun, and is repeated at each sign that
  the CLI goes on.
- A message whose last text begins with "/" is run as a command. Each user message ends with a
  blank text block, which keeps the text what it is and is dropped before the API sees it.
"""

from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum

from attrs import define, field, frozen

from trioproxy.claude import wire
from trioproxy.claude.failure import failure
from trioproxy.claude.merging import Merger
from trioproxy.claude.turn import Block, Event, Message
from trioproxy.claude.wire import Line
from trioproxy.errors import ApiError, CliError, CliFailed, TrioproxyError, WireError

GUARD: Block = {"type": "text", "text": " "}
"""The blank block that ends each user message, so that its text is never taken for a command."""


_FINAL_STOP_REASONS = {"end_turn", "stop_sequence", "tool_use"}
"""The stop reasons after which the CLI leaves the answer as it is."""


_UNSEEN = {"text", "thinking", "redacted_thinking"}
"""Blocks of which an answer may be made that shows nothing: the CLI would ask for another."""


class State(Enum):
    """Where an exchange stands; the value is how it reads in a message."""

    BINDING = "being given its prompt"
    UNBINDING = "being given a prompt that nobody needs"
    REPLAYING = "replaying the history"
    ANSWERING = "answering"
    LEAVING = "leaving the history"
    SETTLING = "coming to its end"
    RESETTING = "being reset"
    CLEAN = "clean"
    SPOILED = "spoiled"


_ANSWERED = (State.SETTLING, State.RESETTING, State.CLEAN, State.SPOILED)
"""A tuple: it is asked at each read, and the hash of a state costs more than four comparisons."""


_UNASKED = (State.BINDING, State.UNBINDING)


class IllegalStep(Exception):
    """The exchange was used in a way that its state does not allow: a fault of this program."""

    def __init__(self, state: State, step: str) -> None:
        super().__init__(f"{step} while {state.value}")


@frozen
class Step:
    """What to do next: bytes for the process, events for the caller. Both may be empty."""

    output: bytes = b""
    events: tuple[Event, ...] = ()


@frozen
class _Segment:
    """What is written at one go; it ends with the user message of this uuid."""

    data: bytes
    uuid: str


@define(eq=False)
class Exchange:
    """One turn on one process. `session.begin(turn)` makes it.

    Write what `begin`, `receive` and `abandon` return; hand each read's lines to `receive`.
    When `is_answered`, `error` tells how it went; when `is_over`, `is_clean` tells whether the
    process may serve again.

    `binding`: what gives the process its prompt, to be granted with all of `pending` before
    anything is asked; empty: it has it. `was_asked`: whether anything of the turn was written.
    `own_tools`: the CLI has tools of its own, so that a turn may take several calls of the API.
    `initialized` is what a process that has just been bound says of itself, and `upstream_id`
    the API's id of a request that it refused.
    """

    _segments: deque[_Segment]
    _pending: set[str]
    _new_id: Callable[[], str]
    own_tools: bool = False
    binding: bytes = b""
    initialized: Line | None = field(default=None, init=False)
    total_cost: float | None = field(default=None, init=False)  # of the process so far, in USD
    upstream_id: str | None = field(default=None, init=False)
    state: State = field(default=State.REPLAYING, init=False)
    error: TrioproxyError | None = field(default=None, init=False)
    was_asked: bool = field(default=False, init=False)
    _first_uuid: str = field(default="", init=False)
    _last_uuid: str = field(default="", init=False)
    _rewind_id: str = field(default="", init=False)
    _has_begun: bool = field(default=False, init=False)
    _is_broken: bool = field(default=False, init=False)
    _merger: Merger = field(factory=Merger, init=False)
    _refusal: ApiError | None = field(default=None, init=False)
    _has_ended: bool = field(default=False, init=False)
    _has_said: bool = field(default=False, init=False)
    _output: list[bytes] = field(factory=list, init=False)
    _events: list[Event] = field(factory=list, init=False)

    @property
    def is_answered(self) -> bool:
        """Nothing more will come for the caller."""
        return self.state in _ANSWERED

    @property
    def is_over(self) -> bool:
        """Nothing more will come at all."""
        return self.state is State.CLEAN or self.state is State.SPOILED

    @property
    def is_clean(self) -> bool:
        """The process has proved that the conversation is empty again."""
        return self.state is State.CLEAN

    def begin(self) -> bytes:
        """The first bytes to write."""
        if self._first_uuid:
            raise IllegalStep(self.state, "begin()")
        self._first_uuid = self._segments[0].uuid
        if self.binding:
            self.state = State.BINDING
            self._output.append(self.binding)
        else:
            self._ask()
        return self._take().output

    def receive(self, lines: Iterable[Line]) -> Step:
        """Take in the lines of one read."""
        for line in lines:
            if self.is_over:
                break
            try:
                self._handle(line)
            except (KeyError, TypeError, AttributeError, RecursionError) as error:
                shape = f"The CLI wrote a {line['type']} line of an unknown form: {error!r}"
                self._spoil(WireError(shape))
        return self._take()

    def refused(self, error: ApiError) -> None:
        """The API has refused the query, as the CLI's error output has it; only the first counts.

        What comes after that without an error of its own is the answer to another request.
        """
        if self.state is State.ANSWERING and self._refusal is None:
            self._refusal = error

    def abandon(self) -> bytes:
        """The caller is gone: come to an end and be clean. The bytes to write now."""
        match self.state:
            case State.BINDING:
                self.state = State.UNBINDING
            case State.REPLAYING:
                self.state = State.LEAVING
            case State.ANSWERING:
                self.state = State.SETTLING
                if self._has_begun:
                    self._interrupt()
            case _:
                pass
        return self._take().output

    def _take(self) -> Step:
        step = Step(b"".join(self._output), tuple(self._events))
        self._output.clear()
        self._events.clear()
        return step

    def _ask(self) -> None:
        """The process has the prompt that was asked for: write the first segment."""
        self.was_asked = True
        self.state = State.REPLAYING
        self._next_segment()

    def _next_segment(self) -> None:
        segment = self._segments.popleft()
        self._last_uuid = segment.uuid
        self._output.append(segment.data)
        if not self._segments:
            self.state = State.ANSWERING

    def _control(self, subtype: str, **fields: object) -> str:
        request_id = self._new_id()
        self._output.append(wire.control_request(request_id, subtype, **fields))
        return request_id

    def _interrupt(self) -> None:
        self._pending.add(self._control("interrupt"))

    def _rewind(self) -> None:
        self.state = State.RESETTING
        self._rewind_id = self._control(
            "rewind_conversation",
            target_message_uuid=self._first_uuid,
            last_seen_user_message_uuid=self._last_uuid,
        )

    def _spoil(self, error: CliError) -> None:
        if not self.is_answered:
            self.error = error
        self.state = State.SPOILED

    def _sign_of_life(self) -> None:
        self._has_begun = True
        if self.state is State.SETTLING:
            self._interrupt()

    def _handle(self, line: Line) -> None:
        match line["type"]:
            case "stream_event":
                self._on_stream_event(line)
            case "result":
                self._on_result(line)
            case "assistant":
                self._on_assistant(line)
            case "command_lifecycle":
                self._on_lifecycle(line)
            case "system":
                self._on_system(line)
            case "control_response":
                self._on_control_response(line)
            case "control_request":
                self._on_control_request(line)
            case _:
                pass

    def _on_lifecycle(self, line: Line) -> None:
        is_query = self.state in {State.ANSWERING, State.SETTLING}
        is_ours = line.get("command_uuid") == self._last_uuid
        if is_query and is_ours and line.get("state") == "started":
            self._sign_of_life()

    def _on_system(self, line: Line) -> None:
        if self._has_begun and line.get("status") == "requesting":
            self._sign_of_life()

    def _on_stream_event(self, line: Line) -> None:
        if line.get("parent_tool_use_id") is not None:
            return  # a sub-agent's, which is for the CLI alone
        event: Event = line["event"]
        kind = event["type"]
        if self.state in _UNASKED:
            self._spoil(CliFailed("The CLI answered before it was asked."))
            return
        if kind == "message_start":
            self._on_message_start()
        if self.state is not State.ANSWERING or self._is_broken:
            return
        self._look_at(kind, event)
        if not self._is_broken:
            self._events += self._merger.add(event) if self.own_tools else [event]
            if kind == "message_stop" and (self._merger.is_over or not self.own_tools):
                self.state = State.SETTLING

    def _on_message_start(self) -> None:
        self._sign_of_life()
        self._has_ended = self._has_said = False
        if self._refusal is not None and self.state is State.ANSWERING:
            # Asked again, with less than the caller has said; and the process may remember that.
            self.error = self._refusal
            self.state = State.SPOILED

    def _look_at(self, kind: str, event: Event) -> None:
        match kind:
            case "content_block_start":
                self._has_said |= event["content_block"]["type"] not in _UNSEEN
            case "content_block_delta":
                self._has_said |= bool(event["delta"].get("text", "").strip())
            case "message_delta":
                self._on_stop_reason(event["delta"].get("stop_reason"))
            case "message_stop":
                self._is_broken = not self._has_ended
            case _:
                pass

    def _on_stop_reason(self, reason: str | None) -> None:
        self._has_ended = reason is not None
        if reason is None:
            self._is_broken = True
        elif reason not in _FINAL_STOP_REASONS or not self._has_said:
            self._interrupt()

    def _on_assistant(self, line: Line) -> None:
        message = line["message"]
        if message.get("model") == "<synthetic>" and message.get("stop_reason") != "refusal":
            self._is_broken = True
            self.upstream_id = line.get("request_id")

    def _on_result(self, line: Line) -> None:
        cost = line.get("total_cost_usd")
        if isinstance(cost, int | float):
            self.total_cost = cost
        match self.state:
            case State.REPLAYING:
                self._on_history_result(line)
            case State.ANSWERING:
                if self.own_tools and line.get("subtype") == "error_max_turns":
                    self._events += self._merger.finish()
                else:
                    self.error = self._failure(line)
                self._rewind()
            case State.LEAVING | State.SETTLING:
                self._rewind()
            case _:
                self._spoil(CliFailed("The CLI ended a turn twice."))

    def _failure(self, line: Line) -> TrioproxyError:
        if self._refusal is not None and not line.get("is_error"):
            return self._refusal
        return failure(line)

    def _on_history_result(self, line: Line) -> None:
        text = line.get("result")
        if line.get("is_error") or text:
            self.error = CliFailed(
                "The CLI answered a message of the history instead of replaying it.",
                detail=str(text),
            )
            self._rewind()
        else:
            self._next_segment()

    def _on_control_response(self, line: Line) -> None:
        response = line["response"]
        request_id = response["request_id"]
        if request_id == self._rewind_id and self.state is State.RESETTING:
            self._on_rewound(response)
        elif request_id in self._pending:
            self._pending.remove(request_id)
            if response["subtype"] != "success":
                self._spoil(CliFailed(f"The CLI rejected a setting: {response.get('error')}"))
                return
            if "models" in (response.get("response") or {}):
                self.initialized = response["response"]
            if not self._pending and self.state is State.BINDING:
                self._ask()
            elif not self._pending and self.state is State.UNBINDING:
                self.state = State.CLEAN

    def _on_rewound(self, response: Line) -> None:
        has_rewound = (response.get("response") or {}).get("rewound") is True
        self.state = State.CLEAN if has_rewound and not self._pending else State.SPOILED

    def _on_control_request(self, line: Line) -> None:
        asked = line.get("request", {}).get("subtype")
        self._spoil(
            CliFailed(f"The CLI requested a permission, which this server cannot grant: {asked}")
        )

    def __repr__(self) -> str:
        return f"<Exchange, {self.state.value}, {len(self._segments)} segments to go>"


def segments(
    settings: bytes, messages: Iterable[Message], new_uuid: Callable[[], str], *, model: str
) -> deque[_Segment]:
    """The conversation in the pieces in which it is written; `settings` leads the first one.

    `model` is the one that the assistant's messages are said to come from: the CLI drops the
    thoughts of any other.
    """
    *history, last = messages
    found: deque[_Segment] = deque()
    data = settings
    for message in history:
        uuid = new_uuid()
        if message.role == "assistant":
            data += wire.assistant_message(list(message.content), uuid, model)
        else:
            data += wire.user_message([*message.content, GUARD], uuid, query=False)
            found.append(_Segment(data, uuid))
            data = b""
    uuid = new_uuid()
    data += wire.user_message([*last.content, GUARD], uuid, query=True)
    found.append(_Segment(data, uuid))
    return found
