"""What a message asks of the stand-in.

A directive stands anywhere in the text of the last user message:

    [[standin words=200 first=0.3 rate=50]]
    [[standin error=529 message="come back later"]]
    [[standin tool=get_weather input={"city":"Paris"}]] [[standin tool=get_time]]
    [[standin hang]]

| key | what it does |
|---|---|
| `error=529`, `message="…"` | answer with that HTTP status, and these words |
| `text="…"` | answer with exactly this text |
| `words=200` | answer with that many deltas: w0 w1 w2 … |
| `thinking="…"` | think this first |
| `tool=name`, `input={…}` | call a tool; several tools are called in parallel |
| `refusal`, `refusal="…"` | the model refuses, after the text asked for or none; why |
| `category=cyber` | of a refusal that says why |
| `first=0.3`, `rate=50` | seconds before the first event; deltas per second |
| `fail_after=3` | an `error` event after that many deltas (`error` and `message` say which) |
| `drop_after=3` | cut the connection after that many deltas |
| `hang` | never answer |

A value is a JSON string, object or array, or a bare word. Several directives count as one.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from json import JSONDecoder
from math import inf
from typing import Any

import attrs
import orjson

from trioproxy.standin.errors import ERRORS, ApiError

MAX_COUNT = 100_000  # a slip of the finger should not fill the memory

_OPENING = re.compile(r"\[\[standin(?=\s|\]\])")
_SPACE = re.compile(r"\s*")
_KEY = re.compile(r"([A-Za-z_]+)(=?)")
_WORD = re.compile(r"(?:(?!\]\])\S)+")
_JSON = JSONDecoder(strict=False)  # so that a quoted text may run over several lines


@attrs.frozen
class ToolCall:
    """A call of the caller's tool."""

    name: str
    input: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Directives:
    """All that a message asks for; by default nothing."""

    error: int | None = None
    message: str | None = None
    text: str | None = None
    words: int | None = None
    thinking: str | None = None
    tools: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    """The explanation; empty: without one."""
    category: str | None = None
    first: float | None = None
    rate: float | None = None
    fail_after: int | None = None
    drop_after: int | None = None
    hang: bool = False


def read_directives(text: str) -> Directives:
    """What the directives in this text ask for.

    Raises `ApiError` 400 naming the key or the place that cannot be understood.
    """
    fields: dict[str, Any] = {}
    tools: list[ToolCall] = []
    for key, value in _pairs(text):
        if key not in _CONVERTERS:
            raise _refusal(f"unknown key {key!r}")
        try:
            converted = _CONVERTERS[key](value)
        except (TypeError, ValueError):
            raise _refusal(f"{key} cannot be {value!r:.50}") from None
        if key == "tool":
            tools.append(ToolCall(converted))
        elif key != "input":
            fields[key] = converted
        elif tools:
            tools[-1] = attrs.evolve(tools[-1], input=converted)
        else:
            raise _refusal("input comes after the tool that it is for")
    return Directives(**fields, tools=tuple(tools))


def _refusal(reason: str) -> ApiError:
    return ApiError(400, f"[[standin]]: {reason}")


def _pairs(text: str) -> Iterator[tuple[str, object]]:
    """Every key and value of every directive, in order; a key alone is `True`."""
    at = 0
    while opening := _OPENING.search(text, at):
        at = _skip_space(text, opening.end())
        while not text.startswith("]]", at):
            key = _KEY.match(text, at)
            if key is None:
                raise _refusal(f"cannot read {text[at : at + 20]!r}" if text[at:] else "no end")
            value, at = _value(text, key.end()) if key[2] else (True, key.end())
            yield key[1], value
            at = _skip_space(text, at)


def _skip_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    assert space is not None, "it matches nothing as well"
    return space.end()


def _value(text: str, at: int) -> tuple[object, int]:
    """The value that begins at `at`, and where it ends."""
    if not text.startswith(('"', "{", "["), at):
        word = _WORD.match(text, at)
        return (word[0], word.end()) if word else ("", at)
    try:
        value, end = _JSON.raw_decode(text, at)
        orjson.dumps(value)  # it must travel: no lone surrogates, no depth or number out of reach
    except (ValueError, TypeError, RecursionError):
        raise _refusal(f"cannot read {text[at : at + 20]!r}") from None
    return value, end


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _count(value: object) -> int:
    count = int(_string(value))
    if not 0 <= count <= MAX_COUNT:
        raise ValueError
    return count


def _status(value: object) -> int:
    status = int(_string(value))
    if status not in ERRORS:
        raise ValueError
    return status


def _seconds(value: object) -> float:
    seconds = float(_string(value))
    if not 0 <= seconds < inf:
        raise ValueError
    return seconds


def _rate(value: object) -> float:
    rate = float(_string(value))
    if not rate > 0:
        raise ValueError
    return rate


def _explanation(value: object) -> str:
    return "" if value is True else _string(value)


def _flag(value: object) -> bool:
    if value is not True:
        raise ValueError
    return True


_CONVERTERS: Mapping[str, Callable[[object], Any]] = {
    "error": _status,
    "message": _string,
    "text": _string,
    "words": _count,
    "thinking": _string,
    "tool": _string,
    "input": _object,
    "refusal": _explanation,
    "category": _string,
    "first": _seconds,
    "rate": _rate,
    "fail_after": _count,
    "drop_after": _count,
    "hang": _flag,
}
