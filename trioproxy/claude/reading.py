"""What the lines of a process mean to an exchange. Nothing else reads their shapes.

Some things were seen that a stream's reader must not fall for.

- When the API fails after the first event, the CLI closes the open block and writes a
  `message_stop` of its own, so that a truncated answer looks like a whole one. From the CLI's own
  `<synthetic>` message on, from a `message_delta` without a stop reason, or at a `message_stop`
  without any, nothing is handed on, and the `result` tells the error.
- When the model refuses, the CLI writes such a message too, with the stop reason `refusal`, and
  only then the API's own `message_delta` and `message_stop`: that is an answer, and is handed on.
  The `result` calls it an error; by then the caller has had its answer.
- After some refusals of the API (of an effort, a signature, a stream), the CLI asks again for less
  than the caller did, and remembers. Its error output tells of the refusal: see `refusal`.
- When an answer is cut at `max_tokens`, or shows nothing, the CLI asks the model to go on, up to
  three times. The `message_delta` that says so is the moment to interrupt it.
"""

from typing import TypeAlias

from attrs import define, field

from trioproxy.claude.failure import failure
from trioproxy.claude.merging import Merger
from trioproxy.claude.states import UNASKED, Input, State
from trioproxy.claude.turn import Event
from trioproxy.claude.wire import Line
from trioproxy.errors import ApiError, CliFailed, TrioproxyError, WireError

_FINAL_STOP_REASONS = {"end_turn", "stop_sequence", "tool_use"}
"""The stop reasons after which the CLI leaves the answer as it is."""

_UNSEEN = {"text", "thinking", "redacted_thinking"}
"""Blocks of which an answer may be made that shows nothing: the CLI would ask for another."""

Inputs: TypeAlias = tuple[Input, ...]


@define(eq=False)
class Reader:
    """Reads the lines of one exchange, one by one.

    `pending` are the control requests that were not answered yet; among them `first_rewind_id`,
    which has to be proven. `query_uuid` and `rewind_id` are set as the query and the last rewind
    are written. `refusal`: the API has refused the query.
    After a line, `events` are those to hand on, and `error` is what went wrong with it.
    """

    pending: set[str]
    own_tools: bool = False
    first_rewind_id: str = ""
    query_uuid: str = field(default="", init=False)
    rewind_id: str = field(default="", init=False)
    refusal: ApiError | None = field(default=None, init=False)
    events: list[Event] = field(factory=list, init=False)
    error: TrioproxyError | None = field(default=None, init=False)
    has_begun: bool = field(default=False, init=False)  # the query
    initialized: Line | None = field(default=None, init=False)
    total_cost: float | None = field(default=None, init=False)
    upstream_id: str | None = field(default=None, init=False)
    _merger: Merger = field(factory=Merger, init=False)
    _is_broken: bool = field(default=False, init=False)  # the answer
    _has_ended: bool = field(default=False, init=False)  # a call of the API, well
    _has_shown: bool = field(default=False, init=False)  # ... and something of it can be seen

    def read(self, line: Line, state: State) -> Inputs:
        """What a line means in this state: mostly one thing, or nothing. Never raises."""
        try:
            return self._read(line, state)
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            shape = f"The CLI wrote a {line['type']} line of an unknown form: {error!r}"
            self.error = WireError(shape)
            return (Input.MISSHAPEN,)

    def _read(self, line: Line, state: State) -> Inputs:
        found: Inputs = ()
        match line["type"]:
            case "stream_event":
                if line.get("parent_tool_use_id") is None:  # else a sub-agent's: the CLI's own
                    found = self._read_event(line["event"], state)
            case "result":
                found = self._read_result(line, state)
            case "assistant":
                self._read_assistant(line)
            case "command_lifecycle" | "system":
                found = self._read_progress(line)
            case "control_response":
                found = self._read_control_response(line, state)
            case "control_request":
                found = self._read_question(line)
            case _:
                pass
        return found

    def _read_progress(self, line: Line) -> Inputs:
        """Of the query alone: that of a history message says nothing."""
        if line["type"] == "system":
            return (Input.SIGN,) if self.has_begun and line.get("status") == "requesting" else ()
        is_of_query = self.query_uuid != "" and line.get("command_uuid") == self.query_uuid
        return self._begun() if is_of_query and line.get("state") == "started" else ()

    def _begun(self) -> Inputs:
        self.has_begun = True
        return (Input.SIGN,)

    # The answer.

    def _read_event(self, event: Event, state: State) -> Inputs:
        kind = event["type"]
        if state in UNASKED:
            self.error = CliFailed("The CLI answered before it was asked.")
            return (Input.EVENT,)
        signs: Inputs = ()
        if kind == "message_start" and self.query_uuid:
            signs = self._begun()
            self._has_ended = self._has_shown = False
            if self.refusal is not None:
                # Asked again, with less than the caller has said; it may remember that.
                self.error = self.refusal
                return (Input.SIGN, Input.OTHER)
        if state is not State.ANSWERING or self._is_broken:
            return signs
        means = self._look_at(kind, event)
        if means is None:
            self._is_broken = True
            return signs
        self.events = self._merger.add(event) if self.own_tools else [event]
        return (*signs, means)

    def _look_at(self, kind: str, event: Event) -> Input | None:
        """What an event of the answer means; None: the answer is broken."""
        match kind:
            case "content_block_start":
                self._has_shown |= event["content_block"]["type"] not in _UNSEEN
            case "content_block_delta":
                self._has_shown |= bool(event["delta"].get("text", "").strip())
            case "message_delta":
                return self._look_at_end(event["delta"].get("stop_reason"))
            case "message_stop":
                if not self._has_ended:
                    return None
                # With tools of the CLI's own, this call's end may not be the answer's.
                if not self.own_tools or self._merger.is_over:
                    return Input.STOP
            case _:
                pass
        return Input.EVENT

    def _look_at_end(self, reason: str | None) -> Input | None:
        self._has_ended = reason is not None
        if reason is None:
            return None
        is_left_alone = reason in _FINAL_STOP_REASONS and self._has_shown
        return Input.EVENT if is_left_alone else Input.CUT

    def _read_assistant(self, line: Line) -> None:
        message = line["message"]
        if message.get("model") == "<synthetic>" and message.get("stop_reason") != "refusal":
            self._is_broken = True
            self.upstream_id = line.get("request_id")

    # Its end.

    def _read_result(self, line: Line, state: State) -> Inputs:
        cost = line.get("total_cost_usd")
        if isinstance(cost, int | float):
            self.total_cost = cost
        match state:
            case State.REPLAYING:
                text = line.get("result")
                if not line.get("is_error") and not text:
                    return (Input.TAKEN,)
                self.error = CliFailed(
                    "The CLI answered a message of the history instead of replaying it.",
                    detail=str(text),
                )
            case State.ANSWERING:
                if self.own_tools and line.get("subtype") == "error_max_turns":
                    self.events = self._merger.finish()
                    return (Input.CAPPED,)
                was_refused = self.refusal is not None and not line.get("is_error")
                self.error = self.refusal if was_refused else failure(line)
            case State.BINDING | State.UNBINDING:
                self.error = CliFailed("The CLI answered before it was asked.")
            case _:
                pass
        return (Input.RESULT,)

    # What was asked of the process itself.

    def _read_control_response(self, line: Line, state: State) -> Inputs:
        response = line["response"]
        request_id = response["request_id"]
        body = response.get("response") or {}
        if request_id == self.rewind_id and state is State.RESETTING:
            has_rewound = body.get("rewound") is True and not self.pending
            return (Input.REWOUND if has_rewound else Input.NOT_REWOUND,)
        if request_id not in self.pending:
            return ()
        self.pending.remove(request_id)
        if response["subtype"] != "success":
            self.error = CliFailed(f"The CLI rejected a setting: {response.get('error')}")
            return (Input.REJECTED,)
        if request_id == self.first_rewind_id and body.get("rewound") is not True:
            self.error = CliFailed("The CLI could not go back to where two conversations part.")
            return (Input.REJECTED,)
        if "models" in body:
            self.initialized = body
        return () if self.pending else (Input.GRANTED,)

    def _read_question(self, line: Line) -> Inputs:
        asked = line.get("request", {}).get("subtype")
        self.error = CliFailed(
            f"The CLI requested a permission, which this server cannot grant: {asked}"
        )
        return (Input.QUESTION,)
