"""The messages of a request, and what a conversation has to keep to.

Here is refused what the CLI would otherwise alter or drop without a word:

- a `tool_result` without its `tool_use` is dropped, and a `tool_use` without its `tool_result`
  gets one that says that it is missing; ids that come twice lose one of their blocks
- an assistant's message is dropped that is only thinking, or says only "(no content)"; what stands
  behind a `tool_use` is moved before it, and a `server_tool_use` without a result is dropped
- of more than 100 images and documents, the first are dropped
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, groupby
from operator import attrgetter
from typing import Any

from trioproxy.claude.turn import Block, Message
from trioproxy.dialects.blocks import Role, read_blocks
from trioproxy.dialects.checks import kind, short
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

_BLOCKS_A_MESSAGE = 10
_MOST_MEDIA = 100
_THOUGHTS = {"thinking", "redacted_thinking"}


def read_messages(value: object, limit: int) -> tuple[Message, ...]:
    """The conversation, with neighbours of one role merged as the API merges them.

    `limit` bounds the messages, and ten times that the content blocks in all of them. Raises
    `InvalidRequest`.
    """
    if not isinstance(value, list):
        raise InvalidRequest(
            Refusal.WRONG_TYPE, f"must be a list, not {kind(value)}", path="messages"
        )
    if not value:
        raise InvalidRequest(Refusal.EMPTY, "must have at least one message", path="messages")
    _check_counts(value, limit)
    given = [_message(item, f"messages.{i}") for i, item in enumerate(value)]
    if given[0].role != "user":
        raise InvalidRequest(
            Refusal.FIRST_ROLE,
            'the first message must have the role "user"',
            path="messages.0.role",
        )
    if given[-1].role != "user":
        raise InvalidRequest(
            Refusal.ASSISTANT_LAST,
            'the last message must have the role "user": the CLI cannot continue an answer',
            path=f"messages.{len(value) - 1}.role",
        )
    _check_tools(given)
    _check_media(given)
    return tuple(_merged(given))


def _merged(given: list[Message]) -> Iterator[Message]:
    index = 0
    for role, neighbours in groupby(given, key=attrgetter("role")):
        contents = [message.content for message in neighbours]
        merged = Message(role, tuple(chain.from_iterable(contents)))
        if role == "assistant":
            _check_lasting(merged.content, f"messages.{index}.content")
            _check_order(merged.content, f"messages.{index}.content")
        index += len(contents)
        yield merged


def _check_counts(messages: list[Any], limit: int) -> None:
    if len(messages) > limit:
        reason = f"has {len(messages)} messages; this server takes {limit} (`max_messages`)"
        raise InvalidRequest(Refusal.TOO_MANY_MESSAGES, reason, path="messages")
    contents = (item.get("content") for item in messages if isinstance(item, dict))
    blocks = sum(len(content) for content in contents if isinstance(content, list))
    if blocks > _BLOCKS_A_MESSAGE * limit:
        reason = f"has {blocks} content blocks; this server takes {_BLOCKS_A_MESSAGE * limit}"
        raise InvalidRequest(Refusal.TOO_MANY_MESSAGES, reason, path="messages")


def _message(value: object, path: str) -> Message:
    if not isinstance(value, dict):
        raise InvalidRequest(
            Refusal.WRONG_TYPE, f"must be an object, not {kind(value)}", path=path
        )
    for name in value:
        if name not in {"role", "content"}:
            raise InvalidRequest(
                Refusal.UNKNOWN_FIELD, "no such field in a message", path=f"{path}.{short(name)}"
            )
    role = _role(value, path)
    return Message(role, read_blocks(value.get("content"), role, f"{path}.content"))


def _role(value: Mapping[str, Any], path: str) -> Role:
    role = value.get("role")
    if role == "user":
        return "user"
    if role == "assistant":
        return "assistant"
    shown = "missing" if role is None else kind(role)
    if isinstance(role, str):
        shown = f'"{short(role)}"'
    raise InvalidRequest(
        Refusal.WRONG_VALUE, f'must be "user" or "assistant", not {shown}', path=f"{path}.role"
    )


def _check_lasting(blocks: Iterable[Block], path: str) -> None:
    """Refuse an assistant's message that the CLI would drop."""
    kept = [block for block in blocks if block["type"] not in _THOUGHTS]
    if not kept:
        reason = "the CLI drops a message that is only thinking: leave it out, or add the text"
        raise InvalidRequest(Refusal.THINKING_ALONE, reason, path=path)
    if [block.get("text") for block in kept] == ["(no content)"]:
        reason = 'the CLI drops an assistant\'s message that says "(no content)"'
        raise InvalidRequest(Refusal.NO_CONTENT, reason, path=path)


def _check_order(blocks: Iterable[Block], path: str) -> None:
    """Refuse what the CLI would put in another order, or take for unfinished and drop."""
    is_calling = False
    results = [block.get("tool_use_id") for block in blocks]  # of any type: the API judges them
    for block in blocks:
        is_call = block["type"] == "tool_use"
        if is_calling and not is_call:
            reason = f"the CLI moves a {block['type']} block behind a tool_use before it"
            raise InvalidRequest(Refusal.TEXT_BEHIND_A_CALL, reason, path=path)
        is_calling |= is_call
        if block["type"] in {"server_tool_use", "mcp_tool_use"} and block["id"] not in results:
            reason = f'the CLI drops a {block["type"]} without its result: "{short(block["id"])}"'
            raise InvalidRequest(Refusal.SERVER_CALL_WITHOUT_RESULT, reason, path=path)


def _check_media(given: Iterable[Message]) -> None:
    """Refuse more images and documents than the CLI hands on."""
    blocks = [block for message in given for block in message.content]
    nested = [block.get("content") for block in blocks if block["type"] == "tool_result"]
    inside = [block for content in nested if isinstance(content, list) for block in content]
    count = sum(block["type"] in {"image", "document"} for block in (*blocks, *inside))
    if count > _MOST_MEDIA:
        reason = f"have {count} images and documents, of which the CLI takes {_MOST_MEDIA}"
        raise InvalidRequest(Refusal.TOO_MANY_MEDIA, reason, path="messages")


def _check_tools(given: list[Message]) -> None:
    """Hold each call of a tool against the results in the message behind it."""
    seen: set[str] = set()
    open_calls: dict[str, str] = {}  # ids that want a result, and where they stand
    for index, message in enumerate(given):
        is_answer = message.role == "user"
        if not is_answer and open_calls and given[index - 1].role == "user":
            _no_result(open_calls)
        for at, block in enumerate(message.content):
            path = f"messages.{index}.content.{at}"
            if block["type"] == "tool_use":
                if block["id"] in seen:
                    reason = f'there is another tool_use with the id "{short(block["id"])}"'
                    raise InvalidRequest(Refusal.UNPAIRED_CALL, reason, path=f"{path}.id")
                seen.add(block["id"])
                open_calls[block["id"]] = path
            elif (
                block["type"] == "tool_result"
                and open_calls.pop(block["tool_use_id"], None) is None
            ):
                raise InvalidRequest(
                    Refusal.UNPAIRED_CALL,
                    f'there is no tool_use with the id "{short(block["tool_use_id"])}" in the '
                    "message before, or it has its result already",
                    path=f"{path}.tool_use_id",
                )
    if open_calls:
        _no_result(open_calls)


def _no_result(open_calls: Mapping[str, str]) -> None:
    name, path = next(iter(open_calls.items()))
    reason = f'the message behind it must have a tool_result for "{short(name)}"'
    raise InvalidRequest(Refusal.UNPAIRED_CALL, reason, path=path)
