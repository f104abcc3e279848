"""One value: taken strictly as its type, read from text, shown in a message.

A structure hook's ValueError is what an operator reads after the name of the setting.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Literal, get_args, get_origin

import cattrs
import orjson

Hook = Callable[[object, object], object]


def from_text(text: str, kind: object) -> object:
    """Read `text` as a `kind`; where it is none it stays text, which the strict hook refuses."""
    with suppress(KeyError, ValueError):
        return _READERS[kind](text)
    return text


_FLAGS = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_READERS: Mapping[object, Callable[[str], object]] = {
    bool: lambda text: _FLAGS[text.lower()],
    int: int,
    float: float,
    tuple[str, ...]: orjson.loads,
    Mapping[str, str]: orjson.loads,
}


def _exactly(kind: type, name: str) -> Hook:
    def structure(value: object, _: object) -> object:
        if type(value) is kind:  # isinstance takes true for a whole number
            return value
        raise ValueError(f"must be {name}, not {show(value)}")

    return structure


def _number(value: object, _: object) -> float:
    if isinstance(value, float | int) and not isinstance(value, bool):
        with suppress(OverflowError):  # a whole number that no float can hold
            if math.isfinite(value):
                return float(value)
    raise ValueError(f"must be a number, not {show(value)}")


def _choice(value: object, kind: object) -> str:
    """Take one of a Literal's words, in whichever case it was typed."""
    words: dict[str, str] = {word.lower(): word for word in get_args(kind)}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError(f"must be one of {', '.join(words.values())}, not {show(value)}")


def _texts(value: object, _: object) -> tuple[str, ...]:
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError(f"must be an array of quoted strings, not {show(value)}")


def _table_of_texts(value: object, _: object) -> Mapping[str, str]:
    if isinstance(value, Mapping) and all(isinstance(item, str) for item in value.values()):
        return dict(value)
    raise ValueError(f"must be a table of quoted strings, not {show(value)}")


def _is_choice(kind: Any) -> bool:  # noqa: ANN401 - a type, or a special form such as Literal
    return get_origin(kind) is Literal


# cattrs' own hooks make 2 of 2.9, 1 of true and 4 of "4".
strict = cattrs.Converter()
strict.register_structure_hook(bool, _exactly(bool, "true or false"))
strict.register_structure_hook(int, _exactly(int, "an integer"))
strict.register_structure_hook(float, _number)
strict.register_structure_hook(str, _exactly(str, "a quoted string"))
strict.register_structure_hook_func(lambda kind: kind == tuple[str, ...], _texts)
strict.register_structure_hook_func(lambda kind: kind == Mapping[str, str], _table_of_texts)
strict.register_structure_hook_func(_is_choice, _choice)


def show(value: object) -> str:
    """Write a value as a file would, in few characters."""
    match value:
        case dict():
            text = "a table"
        case list() | tuple():
            text = "an array"
        case str():
            text = f'"{shorten(value)}"'
        case bool() | None:
            text = {True: "true", False: "false", None: "null"}[value]
        case int():  # Python writes no more than 4300 digits, but any number of hexadecimal ones
            text = shorten(hex(value) if abs(value) > 10**80 else str(value))
        case _:
            text = str(value)
    return text


def shorten(text: str, limit: int = 80) -> str:
    """Cut a long `text` where a reader will have understood it."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def printable(text: str) -> str:
    """Escape what would break a line or upset a terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
