"""The exchange of one turn with a warm CLI process, as a state machine without I/O.

Theory of operation. A process holds one conversation, empty before the turn and after it. The
turn is written in segments, each ending with a user message: control requests and the first
message, then an assistant message and the next user message, and so on. The CLI answers each
history message with a bare `result`; only then may the next segment follow, or it loses its
place. The last user message is the query: the API's events come as `stream_event` lines, then
the `result` that says how it ended. `rewind_conversation` then cuts the conversation back to
nothing, or to before its last plain user message, and only its `rewound: true` proves it. So the
next turn may find some of its messages standing, and has the rest written.

Where the process is to have another system prompt, that is asked for first, and the first segment
waits for all the answers: a message that is in the pipe goes out with the prompt before.

The table of states is in `states.py`, and what each line means in `reading.py`. Lines that mean
nothing are passed over: the CLI writes many that tell a terminal what to show.

Two things were seen that a writer must not fall for.

- An `interrupt` that overtakes the message it is meant for is answered with success and
  interrupts nothing. It waits for the message to have begun, and is repeated at each sign that
  the CLI goes on. (Its next API call may have left within that millisecond; nothing of it is
  handed on.)
- A message whose last text begins with "/" is run as a command. Each user message ends with a
  blank text block, which keeps the text what it is and is dropped before the API sees it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from attrs import define, field, frozen

from trioproxy.claude import wire
from trioproxy.claude.conversation import Standing, last_plain
from trioproxy.claude.reading import Reader
from trioproxy.claude.states import ANSWERED, OVER, TRANSITIONS, Action, Input, State
from trioproxy.claude.turn import Block, Event, Message
from trioproxy.claude.wire import Line
from trioproxy.errors import ApiError, TrioproxyError

GUARD: Block = {"type": "text", "text": " "}
"""The blank block that ends each user message, so that its text is never taken for a command."""


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

    `binding`: what gives the process its prompt, to be granted with all of the reader's `pending`
    before anything is asked; empty: it has it. `was_asked`: whether anything of the turn was
    written. `standing`: the messages that stand in the process already; `fresh`: those that are to
    be written. `keeps`: some of them may stay.
    """

    _segments: deque[_Segment]
    _reader: Reader
    _new_id: Callable[[], str]
    binding: bytes = b""
    standing: tuple[Standing, ...] = ()
    fresh: tuple[Standing, ...] = ()
    keeps: bool = False
    state: State = field(default=State.REPLAYING, init=False)
    error: TrioproxyError | None = field(default=None, init=False)
    was_asked: bool = field(default=False, init=False)
    _has_begun: bool = field(default=False, init=False)
    _last_uuid: str = field(default="", init=False)
    _kept: int = field(default=-1, init=False)  # messages; -1: all that stood before
    _output: list[bytes] = field(factory=list, init=False)
    _events: list[Event] = field(factory=list, init=False)

    @property
    def is_answered(self) -> bool:
        """Nothing more will come for the caller."""
        return self.state in ANSWERED

    @property
    def is_over(self) -> bool:
        """Nothing more will come at all."""
        return self.state in OVER

    @property
    def is_clean(self) -> bool:
        """The process has proved that the conversation is empty again."""
        return self.state is State.CLEAN

    @property
    def kept(self) -> tuple[Standing, ...]:
        """What stands in a process that is clean."""
        return self.standing if self._kept < 0 else (*self.standing, *self.fresh)[: self._kept]

    @property
    def initialized(self) -> Line | None:
        """What a process that has just been bound says of itself."""
        return self._reader.initialized

    @property
    def total_cost(self) -> float | None:
        """Of the process so far, in USD, once it has told."""
        return self._reader.total_cost

    @property
    def upstream_id(self) -> str | None:
        """The API's id of a request that it refused."""
        return self._reader.upstream_id

    def begin(self) -> bytes:
        """The first bytes to write."""
        if self._has_begun:
            raise IllegalStep(self.state, "begin()")
        self._has_begun = True
        if self.binding:
            self.state = State.BINDING
            self._output.append(self.binding)
        else:
            self._write()
        return self._take().output

    def receive(self, lines: Iterable[Line]) -> Step:
        """Take in the lines of one read."""
        for line in lines:
            if self.is_over:
                break
            for comes in self._reader.read(line, self.state):
                self._apply(comes)
        return self._take()

    def refused(self, error: ApiError) -> None:
        """The API has refused the query, as the CLI's error output has it; only the first counts.

        What comes after that without an error of its own is the answer to another request.
        """
        if self.state is State.ANSWERING and self._reader.refusal is None:
            self._reader.refusal = error

    def abandon(self) -> bytes:
        """The caller is gone: come to an end and be clean. The bytes to write now."""
        self._apply(Input.ABANDON)
        return self._take().output

    def _take(self) -> Step:
        step = Step(b"".join(self._output), tuple(self._events))
        self._output.clear()
        self._events.clear()
        return step

    def _apply(self, comes: Input) -> None:
        """Go where the table says, and do what follows."""
        found = TRANSITIONS[self.state].get(comes)
        if found is None:
            return
        actions, after = found
        was_answered, self.state = self.is_answered, after
        for action in actions:
            match action:
                case Action.HAND_ON:
                    self._events += self._reader.events
                case Action.FAIL:
                    self.error = self.error if was_answered else self._reader.error
                case Action.WRITE:
                    self._write()
                case Action.INTERRUPT:
                    self._interrupt()
                case Action.INTERRUPT_BEGUN:
                    if self._reader.has_begun:
                        self._interrupt()
                case Action.REWIND:
                    self._rewind()

    def _write(self) -> None:
        self.was_asked = True
        segment = self._segments.popleft()
        self._last_uuid = segment.uuid
        self._output.append(segment.data)
        if not self._segments:
            self._reader.query_uuid = segment.uuid
            self._apply(Input.QUERY)

    def _interrupt(self) -> None:
        self._reader.pending.add(self._control("interrupt"))

    def _rewind(self) -> None:
        messages = (*self.standing, *self.fresh)
        self._kept = self._cut(messages)
        # Of a conversation that begins with the assistant, its first message is no target.
        target = next(message for message in messages[self._kept :] if message.is_users)
        self._reader.rewind_id = self._control(
            "rewind_conversation",
            target_message_uuid=target.uuid,
            last_seen_user_message_uuid=self._last_uuid,
        )

    def _cut(self, messages: Sequence[Standing]) -> int:
        """The message that the rewind goes to: no call may be parted from its result."""
        if not self.keeps:
            return 0
        if not self._segments:
            return last_plain(messages, len(messages) - 1)
        return len(self.standing) if self.fresh[0].is_plain else 0

    def _control(self, subtype: str, **fields: object) -> str:
        request_id = self._new_id()
        self._output.append(wire.control_request(request_id, subtype, **fields))
        return request_id

    def __repr__(self) -> str:
        return f"<Exchange, {self.state.value}, {len(self._segments)} segments to go>"


def segments(
    settings: bytes, messages: Sequence[Message], uuids: Sequence[str], *, model: str
) -> deque[_Segment]:
    """The conversation in the pieces in which it is written; `settings` leads the first one.

    `model` is the one that the assistant's messages are said to come from: the CLI drops the
    thoughts of any other.
    """
    *history, last = messages
    found: deque[_Segment] = deque()
    data = settings
    for message, uuid in zip(history, uuids, strict=False):
        if message.role == "assistant":
            data += wire.assistant_message(list(message.content), uuid, model)
        else:
            data += wire.user_message([*message.content, GUARD], uuid, query=False)
            found.append(_Segment(data, uuid))
            data = b""
    data += wire.user_message([*last.content, GUARD], uuids[-1], query=True)
    found.append(_Segment(data, uuids[-1]))
    return found
