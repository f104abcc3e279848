"""The shapes of JSON values: a check takes a value and its path, and raises if it is wrong.

The small ones are put together into larger ones:

    a_list(a_number(0, 1))
    an_object({"type": one_of("json_schema"), "schema": is_object}, required={"type", "schema"})

All raise `InvalidRequest` with the path of the innermost value that is wrong.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

Check: TypeAlias = Callable[[Any, str], None]

# What JavaScript's `trim` takes away: the CLI answers a text of only these by itself.
_BLANK = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)

_SHOWN = 50


def is_blank(text: str) -> bool:
    """Whether there is nothing in a text but white space, as JavaScript has it."""
    return not text.strip(_BLANK)


def kind(value: object) -> str:
    """What a JSON value is, for a message."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return "null" if value is None else names.get(type(value), "a number")


def short(text: str) -> str:
    """A caller's word in a message: as much of it as it takes to know it again."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def anything(_value: object, _path: str) -> None:
    """Let the API judge."""


def is_string(value: object, path: str) -> None:
    """A string, which may be empty."""
    if not isinstance(value, str):
        raise InvalidRequest(Refusal.WRONG_TYPE, f"must be a string, not {kind(value)}", path=path)


def is_word(value: object, path: str) -> None:
    """A string with something in it."""
    is_string(value, path)
    if is_blank(str(value)):
        raise InvalidRequest(Refusal.EMPTY, "must not be empty", path=path)


def is_flag(value: object, path: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise InvalidRequest(
            Refusal.WRONG_TYPE, f"must be true or false, not {kind(value)}", path=path
        )


def is_object(value: object, path: str) -> None:
    """An object with any fields."""
    if not isinstance(value, dict):
        raise InvalidRequest(
            Refusal.WRONG_TYPE, f"must be an object, not {kind(value)}", path=path
        )


def a_number(least: float, most: float) -> Check:
    """A number between two others, both included."""

    def check(value: object, path: str) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise InvalidRequest(
                Refusal.WRONG_TYPE, f"must be a number, not {kind(value)}", path=path
            )
        if not least <= value <= most:
            raise InvalidRequest(
                Refusal.WRONG_VALUE, f"must be {least:g} to {most:g}, not {value:g}", path=path
            )

    return check


def a_whole_number(least: int) -> Check:
    """A whole number, not below another."""

    def check(value: object, path: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise InvalidRequest(
                Refusal.WRONG_TYPE, f"must be an integer, not {kind(value)}", path=path
            )
        if value < least:
            raise InvalidRequest(
                Refusal.WRONG_VALUE, f"must be at least {least}, not {value}", path=path
            )

    return check


def one_of(*words: str) -> Check:
    """One of these strings."""
    listed = [f'"{word}"' for word in words]
    allowed = " or ".join([", ".join(listed[:-1]), listed[-1]]) if listed[1:] else listed[0]

    def check(value: object, path: str) -> None:
        if not isinstance(value, str) or value not in words:
            shown = f'"{short(value)}"' if isinstance(value, str) else kind(value)
            raise InvalidRequest(Refusal.WRONG_VALUE, f"must be {allowed}, not {shown}", path=path)

    return check


def nullable(inner: Check) -> Check:
    """Null, or what `inner` takes."""

    def check(value: object, path: str) -> None:
        if value is not None:
            inner(value, path)

    return check


def a_list(item: Check) -> Check:
    """A list, each of whose items is right."""

    def check(value: object, path: str) -> None:
        if not isinstance(value, list):
            raise InvalidRequest(
                Refusal.WRONG_TYPE, f"must be a list, not {kind(value)}", path=path
            )
        for index, element in enumerate(value):
            item(element, f"{path}.{index}")

    return check


def an_object(fields: Mapping[str, Check], *, required: Collection[str] = ()) -> Check:
    """An object with these fields and no others."""

    def check(value: object, path: str) -> None:
        is_object(value, path)
        assert isinstance(value, dict)
        for name in sorted(required):
            if name not in value:
                raise InvalidRequest(
                    Refusal.MISSING_FIELD, "Field required", path=f"{path}.{name}"
                )
        for name, item in value.items():
            if name not in fields:
                raise InvalidRequest(
                    Refusal.UNKNOWN_FIELD, "no such field here", path=path, unknown=short(name)
                )
            fields[name](item, f"{path}.{name}")

    return check


def by_type(variants: Mapping[str, Check]) -> Check:
    """An object whose `type` says which check is its own."""
    known = one_of(*variants)

    def check(value: object, path: str) -> None:
        is_object(value, path)
        assert isinstance(value, dict)
        if "type" not in value:
            raise InvalidRequest(Refusal.MISSING_FIELD, "Field required", path=f"{path}.type")
        known(value["type"], f"{path}.type")
        variants[value["type"]](value, path)

    return check


is_cache_control: Check = an_object(
    {"type": one_of("ephemeral"), "ttl": one_of("5m", "1h")}, required={"type"}
)
"""A cache breakpoint."""

_EXACT = 2**53
_LARGEST_INTEGER = 2**63


def is_deep(value: object, limit: int) -> bool:
    """Whether lists and objects are nested more than `limit` times."""
    layer = [value]
    for _ in range(limit):
        inside = [list(item.values()) if isinstance(item, dict) else item for item in layer]
        layer = [child for item in inside if isinstance(item, list) for child in item]
        if not layer:
            return False
    return True


def has_large_number(value: object) -> bool:
    """Whether a whole number is inside that JavaScript, and so the CLI, would round."""
    inside = [value]
    while inside:  # a loop, for a body may be deep
        match inside.pop():
            case int(number) if abs(number) > _EXACT:
                return True
            case float(number) if abs(number) >= _LARGEST_INTEGER and number.is_integer():
                return True  # of more than 64 bits, and rounded by our own reader already
            case list(items):
                inside += items
            case dict(fields):
                inside += fields.values()
            case _:
                pass
    return False


def with_large_numbers_as_text(value: Any) -> Any:  # noqa: ANN401 - JSON
    """The value with each integer that would be rounded as a string of its digits.

    A body is nested 200 times at most, so this may call itself.
    """
    match value:
        case dict(fields):
            return {name: with_large_numbers_as_text(inner) for name, inner in fields.items()}
        case list(items):
            return [with_large_numbers_as_text(inner) for inner in items]
        case float() | int() if has_large_number(value):
            return str(int(value))
        case _:
            return value
