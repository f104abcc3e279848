"""A call of a tool, as the item that it is to its caller: from the model, and back in an input.

function      function_call      arguments, as the model has written them
custom        custom_tool_call   input: the text, decoded while it comes
local_shell   local_shell_call   action
tool_search   tool_search_call   arguments, as an object
"""

import json
import re
from typing import Any, TypeAlias

from attrs import define, field
from jiter import from_json

from trioproxy.dialects.openai.tools import TEXT, Tool

ItemEvent: TypeAlias = tuple[str, dict[str, Any]]
"""The type of an event, less its "response.", and the fields that are its own."""

_LONGEST_BEGIN = 64
_BEGIN = re.compile(r'\s*\{\s*"' + TEXT + r'"\s*:\s*"')
# As much of a JSON string as can be decoded: the first half of a character that takes two escapes
# waits until it is known what follows.
_WHOLE = re.compile(
    r"""(?: [^"\\]++
          | \\[^u]
          | \\u(?![dD][89abAB])[0-9a-fA-F]{4}
          | \\u[dD][89abAB][0-9a-fA-F]{2}(?= [^\\] | \\[^u] | \\u[0-9a-fA-F]{4} )
        )*""",
    re.VERBOSE,
)


@define(eq=False)
class TextOfCall:
    """The one text of a custom tool, out of the pieces of the JSON that it stands in.

    Each piece is looked at once, so a long text is read in a time that grows as its length does.
    """

    _waiting: str = field(default="", init=False)  # not decoded yet
    _other: list[str] = field(factory=list, init=False)  # JSON that begins in another way
    _is_in_text: bool = field(default=False, init=False)
    _is_done: bool = field(default=False, init=False)

    def feed(self, piece: str) -> str:
        """What of the text has come with this piece."""
        if self._is_done:
            return ""
        if self._other:
            self._other.append(piece)
            return ""
        self._waiting += piece
        if not self._is_in_text and not self._begins():
            return ""
        found = _WHOLE.match(self._waiting)
        assert found is not None  # it may be empty
        self._waiting = self._waiting[found.end() :]
        self._is_done = self._waiting.startswith('"')
        return _decoded(found[0])

    def _begins(self) -> bool:
        begin = _BEGIN.match(self._waiting)
        if begin is not None:
            self._is_in_text = True
            self._waiting = self._waiting[begin.end() :]
        elif len(self._waiting) > _LONGEST_BEGIN:
            self._other.append(self._waiting)
        return self._is_in_text

    def rest(self) -> str:
        """The rest when the call ends: the whole text, if its JSON is of another form."""
        if self._is_in_text:
            return ""
        whole = "".join(self._other) or self._waiting
        given = parsed(whole)
        texts = [item for item in (given.get(TEXT), *given.values()) if isinstance(item, str)]
        return texts[0] if texts else whole if given else ""


def _decoded(inside: str) -> str:
    """The text that a part of a JSON string means."""
    try:
        text: str = json.loads(f'"{inside}"', strict=False)
    except ValueError:  # an escape that JSON does not have
        return inside
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def parsed(arguments: str) -> dict[str, Any]:
    """The object that arguments are, as far as it has come."""
    try:
        found = from_json(arguments.encode(), partial_mode=True)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def action_of(arguments: str) -> dict[str, Any]:
    """The action of a shell call."""
    given = parsed(arguments)
    command = given.get("command")
    if isinstance(command, str):
        command = ["bash", "-lc", command]
    action = {"type": "exec", "command": command or [], "env": given.get("env") or {}}
    return action | {name: given.get(name) for name in ("timeout_ms", "user", "working_directory")}


@define(eq=False)
class Call:
    """A tool call while the model writes it: its `item`, and the events about it."""

    tool: Tool
    item: dict[str, Any]
    _pieces: list[str] = field(factory=list, init=False)
    _text: TextOfCall = field(factory=TextOfCall, init=False)

    @classmethod
    def begun(cls, tool: Tool, call_id: str, number: str) -> "Call":
        """A call of which nothing has come yet; `number` makes its item's id."""
        fields: dict[str, Any]
        match tool.kind:
            case "function":
                prefix, type_ = "fc", "function_call"
                fields = {"name": tool.name, "arguments": ""}
            case "custom":
                prefix, type_ = "ctc", "custom_tool_call"
                fields = {"name": tool.name, "input": ""}
            case "local_shell":
                prefix, type_ = "lsh", "local_shell_call"
                fields = {"action": action_of("")}
            case "tool_search":
                prefix, type_ = "tsc", "tool_search_call"
                fields = {"execution": "client", "arguments": {}}
        if tool.namespace:
            fields["namespace"] = tool.namespace
        about = {"id": f"{prefix}_{number}", "type": type_, "status": "in_progress"}
        return cls(tool, {**about, "call_id": call_id, **fields})

    def add(self, piece: str) -> list[ItemEvent]:
        """Add a piece of the input. Returns the events about it."""
        match self.tool.kind:
            case "function":
                self._pieces.append(piece)
                return [("function_call_arguments.delta", {"delta": piece})]
            case "custom":
                return self._add_text(self._text.feed(piece))
            case _:
                self._pieces.append(piece)
                return []

    def _add_text(self, text: str) -> list[ItemEvent]:
        if not text:
            return []
        self._pieces.append(text)
        return [("custom_tool_call_input.delta", {"delta": text})]

    def so_far(self) -> dict[str, Any]:
        """Its item with what has come of a text that is read as it comes."""
        fields = {"function": "arguments", "custom": "input"}
        name = fields.get(self.tool.kind)
        return {**self.item, name: "".join(self._pieces)} if name else self.item

    def end(self, *, is_cut: bool = False) -> list[ItemEvent]:
        """No more of it comes. `is_cut`: the model was stopped in the middle of it."""
        events: list[ItemEvent] = []
        if self.tool.kind == "custom":
            events = self._add_text(self._text.rest())
        whole = "".join(self._pieces)
        match self.tool.kind:
            case "function":
                # A call without arguments has none written, but a client reads JSON.
                self.item["arguments"] = whole or ("" if is_cut else "{}")
                done = {"name": self.tool.name, "arguments": self.item["arguments"]}
                events.append(("function_call_arguments.done", done))
            case "custom":
                self.item["input"] = whole
                events.append(("custom_tool_call_input.done", {"input": whole}))
            case "local_shell":
                self.item["action"] = action_of(whole)
            case "tool_search":
                self.item["arguments"] = parsed(whole)
        return events
