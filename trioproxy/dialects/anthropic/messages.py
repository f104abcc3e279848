"""The messages of a request, and what a conversation has to keep to.

The CLI carries a conversation as real turns, but not each of them as it is. What it would alter
is altered here first, in the way that changes the answer least, and noted:

- it has no line for a system message: that becomes a text of the user's, marked as a reminder
- it moves what stands behind a call of a tool to before it, but for thinking between calls
- it drops an assistant's message that is only thinking, or says only "(no content)"

Refused is what would give another answer than the one that is asked for: with a login, the CLI
puts a message of its own behind an answer that is to be continued; a call of the API's own tools
is lost without its result; and of more than 100 (600 with newer models) images and documents the
first are dropped. What the API refuses is refused too, by its own rules of calls and results.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby, pairwise
from operator import attrgetter
from typing import Any

from attrs import evolve, frozen

from trioproxy.claude.turn import Block, Message
from trioproxy.dialects.anthropic.blocks import Role, check_text, check_text_block, read_blocks
from trioproxy.dialects.anthropic.parameters import check_output_config
from trioproxy.dialects.json_checks import a_list, by_type, kind, short
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

_BLOCKS_A_MESSAGE = 10
_MOST_MEDIA = 100
_MOST_MEDIA_OF_TODAY = 600
_TODAY = (4, 8)  # the version that has it first
_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_SHORT_NAMES = {"default", "opus", "sonnet", "haiku"}
_CALL = "tool_use"
_THOUGHTS = {"thinking", "redacted_thinking"}
_NOTHING = "(no content)"  # what the CLI writes, and drops, for a message with nothing in it

_REMINDER = "system messages in the conversation sent as reminders in a user's turn"
_STAYS = "clear_at of system messages without effect: they stay where they are sent"
_MOVED = "blocks after a tool_use moved before it"
_DROPPED = "assistant messages with only thinking, or nothing, left out"


@frozen
class Conversation:
    """The messages as the CLI can carry them, with neighbours of one role merged.

    `output_config` is what a system message says of the answer, or empty. `notes` has the kind of
    each thing that was altered, as often as it was.
    """

    messages: tuple[Message, ...]
    output_config: Mapping[str, Any]
    notes: tuple[str, ...] = ()


@frozen
class _Given:
    """A message as it was sent. `index`: where; `output_config`: only of a system message."""

    role: str
    content: tuple[Block, ...]
    index: int
    output_config: Mapping[str, Any] | None = None

    def calls(self) -> list[str]:
        """The ids of the calls that must have a result."""
        return [block["id"] for block in self.content if block["type"] == "tool_use"]

    def results(self) -> list[str]:
        """The ids of the calls that have their result here."""
        return [block["tool_use_id"] for block in self.content if block["type"] == "tool_result"]


def read_messages(value: object, limit: int, model: str = "") -> Conversation:
    """The conversation that `messages` is, as it can be carried to `model`.

    `limit` bounds the messages, and ten times that the content blocks in all of them. Raises
    `InvalidRequest`.
    """
    if not isinstance(value, list):
        raise InvalidRequest(
            Refusal.WRONG_TYPE, f"must be a list, not {kind(value)}", path="messages"
        )
    if not value:
        raise InvalidRequest(Refusal.EMPTY, "must contain at least one message", path="messages")
    _check_counts(value, limit)
    notes: list[str] = []
    sent = [_message(item, i, notes) for i, item in enumerate(value)]
    given = list(_with_reminders(sent, notes))
    if not given:
        raise InvalidRequest(
            Refusal.EMPTY, "must contain a message that is not empty", path="messages"
        )
    if given[0].role != "user":
        reason = 'the first message must have the role "user"'
        raise InvalidRequest(Refusal.FIRST_ROLE, reason, path="messages.0.role")
    if given[-1].role != "user":
        reason = (
            'the last message must have the role "user": this server does not continue an answer'
        )
        raise InvalidRequest(
            Refusal.ASSISTANT_LAST, reason, path=f"messages.{given[-1].index}.role"
        )
    _check_tools(given)
    _check_media(given, most_media(model))
    configs = [message.output_config for message in sent if message.output_config is not None]
    merged = dict(chain.from_iterable(config.items() for config in configs))
    return Conversation(tuple(_carried(given, notes)), merged, tuple(notes))


# -- One message ---------------------------------------------------------------------------------


def _check_counts(messages: list[Any], limit: int) -> None:
    if len(messages) > limit:
        reason = f"has {len(messages)} messages; this server accepts {limit}"
        raise InvalidRequest(Refusal.TOO_MANY_MESSAGES, reason, path="messages")
    contents = (item.get("content") for item in messages if isinstance(item, dict))
    blocks = sum(len(content) for content in contents if isinstance(content, list))
    if blocks > _BLOCKS_A_MESSAGE * limit:
        reason = f"has {blocks} content blocks; this server accepts {_BLOCKS_A_MESSAGE * limit}"
        raise InvalidRequest(Refusal.TOO_MANY_MESSAGES, reason, path="messages")


def _message(value: object, index: int, notes: list[str]) -> _Given:
    path = f"messages.{index}"
    if not isinstance(value, dict):
        raise InvalidRequest(
            Refusal.WRONG_TYPE, f"must be an object, not {kind(value)}", path=path
        )
    role = _role(value, path)
    fields = {"role", "content"}
    if role == "system":
        fields |= {"output_config", "clear_at"}
    for name in value:
        if name not in fields:
            reason = "no such field in a message"
            raise InvalidRequest(Refusal.UNKNOWN_FIELD, reason, path=path, unknown=short(name))
    content, at = value.get("content"), f"{path}.content"
    if role != "system":
        return _Given(role, read_blocks(content, role, at, notes), index)
    if value.get("clear_at") not in (None, "never"):
        notes.append(_STAYS)
    config = value.get("output_config")
    if config is not None:
        check_output_config(config, f"{path}.output_config")
    if config is not None and not content:
        return _Given("system", (), index, config)
    return _Given("system", _instructions(content, at), index, config)


def _role(value: Mapping[str, Any], path: str) -> Role:
    role = value.get("role")
    if role == "user":
        return "user"
    if role == "assistant":
        return "assistant"
    if role == "system":
        return "system"
    shown = "missing" if role is None else kind(role)
    if isinstance(role, str):
        shown = f'"{short(role)}"'
    reason = f'must be "user", "assistant" or "system", not {shown}'
    raise InvalidRequest(Refusal.WRONG_VALUE, reason, path=f"{path}.role")


_INSTRUCTIONS = a_list(by_type({"text": check_text_block}))


def _instructions(content: object, path: str) -> tuple[Block, ...]:
    if isinstance(content, str):
        check_text(content, path)
        return ({"type": "text", "text": content},)
    _INSTRUCTIONS(content, path)
    assert isinstance(content, list)
    if not content:
        raise InvalidRequest(Refusal.EMPTY, "must not be empty", path=path)
    return tuple(content)


# -- System messages in the conversation ---------------------------------------------------------


def _with_reminders(given: Iterable[_Given], notes: list[str]) -> Iterator[_Given]:
    """The messages with each system message as a user's, at its place.

    Never between a call and its result, which must follow at once: there it waits for the result.
    """
    open_calls: set[str] = set()
    waiting: list[_Given] = []
    for message in given:
        if message.role == "system":
            if not message.content:
                continue  # it says only how to answer
            notes.append(_REMINDER)
            reminder = evolve(
                message, role="user", content=tuple(map(_as_reminder, message.content))
            )
            if open_calls:
                waiting.append(reminder)
            else:
                yield reminder
            continue
        yield message
        open_calls.update(message.calls())
        open_calls.difference_update(message.results())
        if not open_calls:
            yield from waiting
            waiting = []
    yield from waiting


def _as_reminder(block: Block) -> Block:
    return {**block, "text": f"<system-reminder>\n{block['text']}\n</system-reminder>"}


# -- What the CLI carries otherwise --------------------------------------------------------------


def _carried(given: Iterable[_Given], notes: list[str]) -> Iterator[Message]:
    """The messages, merged as the API merges neighbours, less what the CLI would drop."""
    kept = [item for item in _merged(given) if not _is_dropped(item, notes)]
    for role, neighbours in groupby(kept, key=attrgetter("role")):
        content = tuple(chain.from_iterable(message.content for message in neighbours))
        if role == "user":
            yield Message("user", content)
        else:
            yield Message("assistant", _in_order(content, notes))


def _merged(given: Iterable[_Given]) -> Iterator[_Given]:
    for role, group in groupby(given, key=attrgetter("role")):
        neighbours = list(group)
        content = tuple(chain.from_iterable(message.content for message in neighbours))
        merged = _Given(role, content, neighbours[0].index)
        if role == "assistant":
            _check_server_calls(merged)
        yield merged


def _is_dropped(message: _Given, notes: list[str]) -> bool:
    """Whether the CLI would drop the message: that is noted."""
    if message.role != "assistant":
        return False
    kept = [block for block in message.content if block["type"] not in _THOUGHTS]
    if kept and [block.get("text") for block in kept] != [_NOTHING]:
        return False
    notes.append(_DROPPED)
    return True


def _in_order(blocks: tuple[Block, ...], notes: list[str]) -> tuple[Block, ...]:
    """An assistant's blocks in the order in which the CLI hands them on: see `_keeps_order`."""
    kinds = [block["type"] for block in blocks]
    first = kinds.index(_CALL) if _CALL in kinds else len(blocks)
    moved = [block for block in blocks[first:] if block["type"] != _CALL]
    if not moved or _keeps_order(kinds):
        return blocks
    notes.extend([_MOVED] * len(moved))
    calls = [block for block in blocks[first:] if block["type"] == _CALL]
    return (*blocks[:first], *moved, *calls)


def _keeps_order(kinds: Sequence[str]) -> bool:
    """Whether the CLI leaves an assistant's blocks as they are; else the calls of tools come last.

    It does, as measured, where there are two thoughts, and one stands right behind a call.
    """
    thoughts = sum(kind in _THOUGHTS for kind in kinds)
    return thoughts > 1 and any(
        before == _CALL and kind in _THOUGHTS for before, kind in pairwise(kinds)
    )


# -- What is refused -----------------------------------------------------------------------------


def _check_server_calls(message: _Given) -> None:
    """Refuse a call of the API's own tools that the CLI takes for unfinished, and drops."""
    ids = (block.get("tool_use_id") for block in message.content)
    results = {name for name in ids if isinstance(name, str)}
    for block in message.content:
        if block["type"] in {"server_tool_use", "mcp_tool_use"} and block["id"] not in results:
            name = f'a {block["type"]} without its result, "{short(block["id"])}"'
            raise InvalidRequest(
                Refusal.SERVER_CALL_WITHOUT_RESULT,
                f"the CLI drops {name}",
                path=f"messages.{message.index}.content",
            )


def most_media(model: str) -> int:
    """How many images and documents the CLI hands on: for some models more, as the API does.

    A short name without a version is a model of today.
    """
    found = _VERSION.search(model.lower())
    if found is None:
        is_short = model.lower().removesuffix("[1m]") in _SHORT_NAMES
        return _MOST_MEDIA_OF_TODAY if is_short else _MOST_MEDIA
    version = (int(found[1]), int(found[2] or 0))
    return _MOST_MEDIA_OF_TODAY if version >= _TODAY else _MOST_MEDIA


def _check_media(given: Iterable[_Given], most: int) -> None:
    """Refuse more images and documents than the CLI hands on."""
    blocks = [block for message in given for block in message.content]
    nested = [block.get("content") for block in blocks if block["type"] == "tool_result"]
    inside = [block for content in nested if isinstance(content, list) for block in content]
    count = sum(block["type"] in {"image", "document"} for block in (*blocks, *inside))
    if count > most:
        reason = f"have {count} images and documents; the CLI accepts {most}"
        raise InvalidRequest(Refusal.TOO_MANY_MEDIA, reason, path="messages")


def _check_tools(given: list[_Given]) -> None:
    """Hold each call of a tool against the results in the message behind it."""
    seen: set[str] = set()
    open_calls: dict[str, str] = {}  # ids without a result so far, and where they stand
    previous = ""
    for message in given:
        if message.role == "assistant" and previous == "user" and open_calls:
            _no_result(open_calls)
        previous = message.role
        for at, block in enumerate(message.content):
            path = f"messages.{message.index}.content.{at}"
            if block["type"] == "tool_use":
                _check_new(block["id"], seen, path)
                open_calls[block["id"]] = path
            elif block["type"] == "tool_result":
                _close(block["tool_use_id"], open_calls, path)
    if open_calls:
        _no_result(open_calls)


def _check_new(call: str, seen: set[str], path: str) -> None:
    if call in seen:
        reason = f'duplicate tool_use id "{short(call)}"'
        raise InvalidRequest(Refusal.UNPAIRED_CALL, reason, path=f"{path}.id")
    seen.add(call)


def _close(call: str, open_calls: dict[str, str], path: str) -> None:
    if open_calls.pop(call, None) is None:
        reason = (
            f'no tool_use with the id "{short(call)}" in the message before, '
            "or it has its result already"
        )
        raise InvalidRequest(Refusal.UNPAIRED_CALL, reason, path=f"{path}.tool_use_id")


def _no_result(open_calls: Mapping[str, str]) -> None:
    call, path = next(iter(open_calls.items()))
    reason = f'the next message must have a tool_result for "{short(call)}"'
    raise InvalidRequest(Refusal.UNPAIRED_CALL, reason, path=path)
