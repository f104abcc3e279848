"""The messages of a chat as those of a Messages request."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import define, field

from trioproxy.dialects.anthropic.names import is_name_of_any_form
from trioproxy.dialects.json_checks import (
    an_object,
    anything,
    is_blank,
    is_object,
    is_string,
    is_word,
    kind,
    nullable,
    one_of,
    short,
)
from trioproxy.dialects.openai.caching import JOINED, Mark, last_mark, mark_of, marked
from trioproxy.dialects.openai.claudes import claudes_block, is_claudes_block, is_unsigned
from trioproxy.dialects.openai.parts import arguments, detail_notes, file_block, image_block
from trioproxy.dialects.openai.tools import TEXT
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

_FIELDS: Mapping[str, set[str]] = {
    "system": {"role", "content", "name", "cache_control"},
    "developer": {"role", "content", "name", "cache_control"},
    "user": {"role", "content", "name", "cache_control"},
    "assistant": {
        "role", "content", "name", "cache_control", "refusal", "tool_calls", "audio",
        "function_call", "annotations", "parsed",
    },
    "tool": {"role", "content", "tool_call_id", "name", "cache_control"},
}  # fmt: skip

# What other servers add to an answer, and their clients send back.
_ECHOED = {
    "reasoning", "reasoning_content", "reasoning_details", "thinking_blocks",
    "provider_specific_fields",
}  # fmt: skip

_TEXT = an_object(
    {
        "type": anything, "text": is_string, "cache_control": anything,
        "prompt_cache_breakpoint": anything,
    },
    required={"text"},
)  # fmt: skip
_IMAGE_URL = an_object({"url": is_word, "detail": nullable(is_string)}, required={"url"})
_FILE = an_object(
    {
        "file_data": nullable(is_string),
        "file_id": nullable(is_string),
        "filename": nullable(is_string),
    }
)
_FUNCTION_CALL = an_object(
    {"name": is_name_of_any_form, "arguments": is_string, "parsed_arguments": anything},
    required={"name", "arguments"},
)

_CUSTOM_CALL = an_object(
    {"name": is_name_of_any_form, "input": is_string}, required={"name", "input"}
)


@define(eq=False)
class _Run:
    """Neighbours of one role, as one message: blocks that stand first in it, and the others.

    Of a user these are results of tools, of an assistant all that is not behind a call. Each
    block has with it where it has come from.
    """

    role: str
    first: list[tuple[dict[str, Any], str]] = field(factory=list)
    others: list[tuple[dict[str, Any], str]] = field(factory=list)


GO_ON = "Continue your last message from exactly where it stops. Do not repeat any of it."
"""What the user says behind an assistant's message that comes last."""
_LAST = "messages"  # where a fault of what is added would stand


@define(eq=False)
class Conversation:
    """What a chat's messages say: the system prompt, the turns, and where each has come from.

    A block is put into its place when it comes, in constant time: a body is read in a time that
    grows as its length does.
    """

    system: list[str] = field(factory=list)
    system_mark: Mark | None = field(default=None, init=False)
    """The cache breakpoint behind the system prompt."""
    notes: list[str] = field(factory=list)
    _runs: list[_Run] = field(factory=list, init=False)
    _results: dict[str, tuple[_Run, dict[str, Any]]] = field(factory=dict, init=False)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The turns, neighbours of one role in one message."""
        return [
            {"role": run.role, "content": [block for block, _ in (*run.first, *run.others)]}
            for run in self._runs
        ]

    def origin(self, message: int, block: int = 0) -> str | None:
        """The caller's path of a block of `messages`; None if there is no such block."""
        if message >= len(self._runs):
            return None
        run = self._runs[message]
        origins = [origin for _, origin in (*run.first, *run.others)]
        return origins[block] if block < len(origins) else None

    def say(self, role: str, content: Iterable[dict[str, Any]], origin: str) -> None:
        """Add to what a role says.

        A tool's result stands before what the user has said meanwhile, and a text before the
        calls of its turn: Claude has them in no other order.
        """
        if not self._runs or self._runs[-1].role != role:
            self._runs.append(_Run(role))
        run = self._runs[-1]
        is_moved = False
        for block in content:
            if block["type"] == "tool_result":
                self._results[block["tool_use_id"]] = (run, block)
            is_first = _is_first(block, run)
            is_moved |= is_first and bool(run.others)
            (run.first if is_first else run.others).append((block, origin))
        if is_moved:
            behind = "the user's text, like all results" if role == "user" else "the calls"
            self.notes.append(f"{origin}: moved before {behind}")

    def say_more_of_a_result(self, name: str, content: list[dict[str, Any]], origin: str) -> bool:
        """Add to the result of the call `name`; False: it has none yet.

        Once the model has answered that result, what comes later is a user's message.
        """
        if name not in self._results:
            return False
        run, result = self._results[name]
        if run is not self._runs[-1]:
            self.say("user", content, origin)
            return True
        before = result["content"]
        if isinstance(before, str):
            before = [{"type": "text", "text": before}] if before else []
        before.extend(content)
        result["content"] = before
        return True

    def leave_out_bare_thoughts(self) -> None:
        """Take away the turns that are thoughts alone, such as one that was interrupted."""
        for run in self._runs:
            if run.first and not run.others and all(_is_thought(item) for item, _ in run.first):
                self.notes.append(f"{run.first[0][1]}: reasoning without an answer left out")
                run.first.clear()
        self._runs = [run for run in self._runs if run.first or run.others]

    def ask_to_go_on(self) -> None:
        """Have the user speak last: no answer is continued, but the model can."""
        if self._runs and self._runs[-1].role == "assistant":
            self.say("user", [{"type": "text", "text": GO_ON}], _LAST)
            self.notes.append("the assistant's message comes last: the model is asked to continue")

    def instruct(self, text: str, origin: str, mark: Mark | None = None) -> None:
        """Add to the system prompt, which stands at the top."""
        if is_blank(text):
            return
        self.system.append(text)
        if mark is None and self.system_mark is not None:
            self.notes.append(JOINED)
        if mark is not None:
            if self.system_mark is not None:
                self.notes.append("cache_control: of instructions, only one is kept, at their end")
            self.system_mark = mark
        if self._runs:
            self.notes.append(f"{origin}: moved to the top, like all instructions")


def _is_thought(block: Mapping[str, Any]) -> bool:
    return block["type"] in {"thinking", "redacted_thinking"}


def _is_first(block: Mapping[str, Any], run: _Run) -> bool:
    """Whether a block belongs before the `others` of its run."""
    if run.role == "user":
        return bool(block["type"] == "tool_result")
    return block["type"] == "text" or (block["type"] != "tool_use" and not run.others)


def read_chat(value: object) -> Conversation:
    """Read the `messages` of a chat. Raises `InvalidRequest`."""
    if not isinstance(value, list):
        raise InvalidRequest(
            Refusal.WRONG_TYPE, f"must be a list, not {kind(value)}", path="messages"
        )
    found = Conversation()
    for index, message in enumerate(value):
        _read(message, f"messages.{index}", found)
    return found


def _read(message: object, path: str, found: Conversation) -> None:
    is_object(message, path)
    assert isinstance(message, dict)
    role = message.get("role")
    if role == "function":
        raise InvalidRequest(
            Refusal.TOOL_KIND,
            "functions have been replaced by tools: use the role `tool`",
            path=f"{path}.role",
        )
    one_of(*_FIELDS)(role, f"{path}.role")
    for name, value in message.items():
        if role == "assistant" and name in _ECHOED:
            if value:
                found.notes.append(f"{path}.{name} without effect")
        elif name not in _FIELDS[str(role)] and value is not None:
            raise InvalidRequest(
                Refusal.UNKNOWN_FIELD,
                f"no such field here: {role}",
                path=path,
                unknown=short(name),
            )
    if message.get("name"):
        found.notes.append(f"{path}.name without effect: Claude has no names")
    match role:
        case "system" | "developer":
            text = _text(message.get("content"), f"{path}.content")
            found.instruct(text, path, _mark_of(message, path, found))
        case "user":
            filled = _without_blanks(message.get("content"), path, found)
            found.say("user", marked(filled, mark_of(message, path, found.notes)), path)
        case "assistant":
            _read_answer(message, path, found)
        case _:
            is_word(message.get("tool_call_id"), f"{path}.tool_call_id")
            text = _text(message.get("content"), f"{path}.content")
            result = {
                "type": "tool_result",
                "tool_use_id": message["tool_call_id"],
                "content": text,
            }
            found.say("user", marked([result], _mark_of(message, path, found)), path)


def _without_blanks(content: object, path: str, found: Conversation) -> list[dict[str, Any]]:
    """What a user says, less empty texts beside other parts."""
    parts = list(_parts(content, f"{path}.content", found.notes))
    if not parts:
        raise InvalidRequest(Refusal.EMPTY, "must not be empty", path=f"{path}.content")
    filled = [part for part in parts if part["type"] != "text" or not is_blank(part["text"])]
    if filled and len(filled) < len(parts):
        found.notes.append(f"{path}: blank text left out")
    return filled or parts


def _read_answer(message: Mapping[str, Any], path: str, found: Conversation) -> None:
    for name in ("audio", "function_call"):
        if message.get(name) is not None:
            raise InvalidRequest(
                Refusal.CONTENT_KIND, "not supported by this server", path=f"{path}.{name}"
            )
    content = _answer(message, path, found)
    calls = message.get("tool_calls")
    calls = [] if calls is None else calls
    if not isinstance(calls, list):
        raise InvalidRequest(
            Refusal.WRONG_TYPE, f"must be a list, not {kind(calls)}", path=f"{path}.tool_calls"
        )
    for index, call in enumerate(calls):
        content.append(_call(call, f"{path}.tool_calls.{index}", found.notes))
    if content:
        found.say("assistant", marked(content, mark_of(message, path, found.notes)), path)
    else:
        found.notes.append(f"{path}: empty answer left out")


def _answer(message: Mapping[str, Any], path: str, found: Conversation) -> list[dict[str, Any]]:
    """What an assistant says before its calls: one text, or Claude's blocks in their order."""
    given, at = message.get("content"), f"{path}.content"
    parts = given if isinstance(given, list) else []
    if any(isinstance(part, dict) and is_claudes_block(part, "assistant") for part in parts):
        content = list(_claudes_parts(parts, at, found))
    else:
        text = {"type": "text", "text": _text(given, at)}
        content = marked([text], _mark_of_parts(message, path, found))
    content.append({"type": "text", "text": _text(message.get("refusal"), f"{path}.refusal")})
    filled = [block for block in content if block["type"] != "text" or not is_blank(block["text"])]
    if not filled and any(block["text"] for block in content):
        found.notes.append(f"{path}: blank text left out")
    return filled


def _claudes_parts(
    parts: Iterable[object], path: str, found: Conversation
) -> Iterator[dict[str, Any]]:
    """The parts of an answer that has some of Claude's blocks."""
    for index, part in enumerate(parts):
        at = f"{path}.{index}"
        is_object(part, at)
        assert isinstance(part, dict)
        mark = mark_of(part, at, found.notes)
        if is_unsigned(part):
            found.notes.append(f"{at} without effect: it has no signature")
        elif is_claudes_block(part, "assistant"):
            yield marked([claudes_block(part, "assistant", at)], mark)[0]
        else:
            yield marked([{"type": "text", "text": _text_of(part, at)}], mark)[0]


def _mark_of(message: Mapping[str, Any], path: str, found: Conversation) -> Mark | None:
    """That of a message whose parts become one text: its own, or the last of its parts'."""
    of_parts = _mark_of_parts(message, path, found)
    return last_mark(of_parts, mark_of(message, path, found.notes))


def _mark_of_parts(message: Mapping[str, Any], path: str, found: Conversation) -> Mark | None:
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    marks = [mark_of(part, f"{path}.content.{at}", found.notes) for at, part in enumerate(parts)]
    if any(marks) and not marks[-1]:
        found.notes.append(JOINED)
    return last_mark(*marks)


def _call(value: object, path: str, notes: list[str]) -> dict[str, Any]:
    is_object(value, path)
    assert isinstance(value, dict)
    one_of("function", "custom")(value.get("type", "function"), f"{path}.type")
    is_word(value.get("id"), f"{path}.id")
    if value.get("type") == "custom":
        _CUSTOM_CALL(value.get("custom"), f"{path}.custom")
        name, given = value["custom"]["name"], {TEXT: value["custom"]["input"]}
    else:
        _FUNCTION_CALL(value.get("function"), f"{path}.function")
        name = value["function"]["name"]
        given = arguments(value["function"]["arguments"], f"{path}.function.arguments")
    call = {"type": "tool_use", "id": value["id"], "name": name, "input": given}
    return marked([call], mark_of(value, path, notes))[0]


def _text(content: object, path: str) -> str:
    """A string, parts that are all text, or nothing."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise InvalidRequest(
            Refusal.WRONG_TYPE, f"must be a string or a list, not {kind(content)}", path=path
        )
    texts = []
    for index, part in enumerate(content):
        is_object(part, f"{path}.{index}")
        texts.append(_text_of(part, f"{path}.{index}"))
    return "\n\n".join(texts)


def _text_of(part: Mapping[str, Any], path: str) -> str:
    one_of("text", "refusal")(part.get("type"), f"{path}.type")
    is_string(part.get(part["type"]), f"{path}.{part['type']}")
    return str(part[part["type"]])


def _parts(content: object, path: str, notes: list[str]) -> Iterator[dict[str, Any]]:
    if isinstance(content, str):
        yield {"type": "text", "text": content}
        return
    if not isinstance(content, list):
        shown = "missing" if content is None else kind(content)
        raise InvalidRequest(
            Refusal.WRONG_TYPE, f"must be a string or a list, not {shown}", path=path
        )
    for index, part in enumerate(content):
        is_object(part, f"{path}.{index}")
        block = _part(part, f"{path}.{index}")
        if part["type"] == "image_url":
            notes += detail_notes(part["image_url"], f"{path}.{index}.image_url")
        yield marked([block], mark_of(part, f"{path}.{index}", notes))[0]


def _part(part: Mapping[str, Any], path: str) -> dict[str, Any]:
    name = part.get("type")
    if is_claudes_block(part, "user"):
        return claudes_block(part, "user", path)
    if name == "input_audio":
        raise InvalidRequest(
            Refusal.CONTENT_KIND, "audio input is not supported", path=f"{path}.type"
        )
    one_of("text", "image_url", "file")(name, f"{path}.type")
    if name == "text":
        _TEXT(part, path)
        return {"type": "text", "text": part["text"]}
    if name == "image_url":
        _IMAGE_URL(part.get("image_url"), f"{path}.image_url")
        return image_block(part["image_url"]["url"], f"{path}.image_url.url")
    _FILE(part.get("file"), f"{path}.file")
    return file_block(part["file"], f"{path}.file")
