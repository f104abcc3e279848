"""What the API checks, reads and counts in the body of a request."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from trioproxy.standin.errors import ApiError

Body = Mapping[str, Any]
"""The JSON object of a request, once it is checked."""

_Check = tuple[Callable[[object], bool], str]

_ROLES = ("user", "assistant", "system")
_TEXTS = ("text", "content", "thinking", "description")


def _is_model(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_max_tokens(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_message(value: object) -> bool:
    return isinstance(value, dict) and value.get("role") in _ROLES and _is_content(value)


def _is_content(message: Mapping[str, object]) -> bool:
    content = message.get("content")
    if isinstance(content, list):
        return all(isinstance(block, dict) for block in content)
    return isinstance(content, str)


def _is_messages(value: object) -> bool:
    return isinstance(value, list) and value != [] and all(map(_is_message, value))


def _is_stop_sequences(value: object) -> bool:
    return value is None or (
        isinstance(value, list) and all(isinstance(stop, str) and stop for stop in value)
    )


COUNTED: Mapping[str, _Check] = {
    "model": (_is_model, "a name"),
    "messages": (_is_messages, "a list of at least one message, each with a role and a content"),
}
"""What the body of `count_tokens` must have."""

ANSWERED: Mapping[str, _Check] = {
    **COUNTED,
    "max_tokens": (_is_max_tokens, "a whole number, 1 or more"),
    "stop_sequences": (_is_stop_sequences, "a list of texts, none of them empty"),
}
"""What the body of `messages` must have."""


def check_body(body: object, checks: Mapping[str, _Check] = ANSWERED) -> Body:
    """The body itself. Raises `ApiError` 400 naming the first field that the API would refuse."""
    if not isinstance(body, dict):
        raise ApiError(400, "The body must be a JSON object")
    for field, (is_right, expected) in checks.items():
        if not is_right(body.get(field)):
            reason = f"Input should be {expected}" if field in body else "Field required"
            raise ApiError(400, f"{field}: {reason}")
    return body


def conversation(body: Body) -> list[Mapping[str, Any]]:
    """The messages without the `system` ones, which are a client's own and not the caller's."""
    return [message for message in body["messages"] if message["role"] != "system"]


def last_text(body: Body) -> str:
    """What the last user message says, without what a client reminds the model of."""
    contents = [message["content"] for message in body["messages"] if message["role"] == "user"]
    return "\n".join(_texts(contents[-1])) if contents else ""


def _texts(content: str | list[dict[str, Any]]) -> Iterator[str]:
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for block in blocks:
        text = block.get("text")
        if isinstance(text, str) and not text.startswith("<system-reminder>"):
            yield text


def count_tokens(body: Body) -> int:
    """A token a word, in the tools, the system and the messages; at least one."""
    contents = [message["content"] for message in body["messages"]]
    return max(1, count_words([body.get("tools"), body.get("system"), *contents]))


def count_words(value: object) -> int:
    """The words in all the texts inside a value. A loop, for a body may be deep."""
    words = 0
    inside = [value]
    while inside:
        match inside.pop():
            case str(text):
                words += len(text.split())
            case list(items):
                inside += items
            case dict(fields):
                inside += (fields.get(key) for key in _TEXTS)
    return words
