"""The parameter types of the official packages, and what becomes of each field of theirs here.

Each field of each type that a request can reach is put into the smallest request that can have it,
and that is read by the parsers themselves. Pure: nothing is asked.
"""

import base64
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin

from attrs import define, field, frozen
from typing_extensions import NotRequired, Required, get_type_hints, is_typeddict

from tests.messages import png
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

Verdict: TypeAlias = Literal["taken", "named", "unknown", "silent"]
"""It alters what is asked, or is named in a note; it is refused by its name; it is refused as what
nobody knows; it is dropped without a word."""

Json: TypeAlias = Any
Parse: TypeAlias = Callable[[dict[str, Any]], object]
"""Reads a body: all that it means, comparable. Raises `InvalidRequest`."""

_BEST: Mapping[Verdict, int] = {"taken": 3, "named": 2, "silent": 1, "unknown": 0}

_UNKNOWN = {Refusal.UNKNOWN_FIELD, Refusal.UNKNOWN_PARAMETER}

# What a text has to be, by the name of its field.
_TEXTS = {
    "model": "claude-haiku-4-5",
    "data": png(3),
    "media_type": "image/png",
    "url": "https://example.com/a.png",
    "image_url": f"data:image/png;base64,{png(3)}",
    "file_url": "https://example.com/a.pdf",
    "file_data": "data:application/pdf;base64," + base64.b64encode(b"%PDF-1.4").decode(),
    "arguments": "{}",
    "signature": "c2ln",
}
_NUMBERS = {"max_tokens": 4096, "budget_tokens": 1024, "max_output_tokens": 4096, "temperature": 0.5}


@frozen
class Finding:
    """A field, or a value of one, that is neither taken nor named. `where`: as `Type.field`."""

    where: str
    verdict: Verdict
    reason: str


@define
class Walk:
    """All that a type of a request can reach, each put into a request.

    `contexts`: the requests that a body is tried in, of which the kindest decides.
    """

    parse: Parse
    contexts: Callable[[dict[str, Any]], Iterable[dict[str, Any]]]
    found: dict[str, tuple[Verdict, str]] = field(factory=dict)
    _seen: set[str] = field(factory=set)

    def go(self, root: type, base: Mapping[str, Any]) -> None:
        """Try each field of the type of a request; `base`: what every body has."""
        for where, body in self._of_dict(root, 0):
            for given in self.contexts({**base, **body}):
                verdict, reason = self._judge(where, given)
                before = self.found.get(where)
                if before is None or _BEST[verdict] > _BEST[before[0]]:
                    self.found[where] = verdict, reason

    def _judge(self, where: str, given: dict[str, Any]) -> tuple[Verdict, str]:
        name = where.rpartition(".")[2].partition("=")[0]
        try:
            meant = self.parse(given)
        except InvalidRequest as error:
            is_kind = error.refusal is Refusal.WRONG_VALUE and error.path.endswith((".type", ".role"))
            is_value = error.refusal is Refusal.WRONG_VALUE and "=" in where
            verdict: Verdict = (
                "unknown" if error.refusal in _UNKNOWN or is_kind or is_value else "named"
            )
            return verdict, error.message
        less = _without(given, name)
        try:
            return ("silent" if self.parse(less) == meant else "taken"), ""
        except InvalidRequest:
            return "taken", ""

    # -- Values of a type

    def _of_dict(self, kind: type, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Bodies that differ from the smallest in one field, and the name of that field."""
        hints = get_type_hints(kind, include_extras=True)
        smallest = _smallest(kind)
        for name, hint in hints.items():
            if _is_header(hint):
                continue
            label = f"{kind.__name__}.{name}"
            if label in self._seen:
                continue
            self._seen.add(label)
            inner = _bare(hint)
            for where, value in self._of(inner, name, label, depth + 1):
                yield where, {**smallest, name: value}

    def _of(
        self, hint: Any, name: str, label: str, depth: int
    ) -> Iterator[tuple[str, Json]]:
        hint = _bare(hint)
        if is_typeddict(hint):
            yield label, _smallest(hint)
            yield from self._of_dict(hint, depth)
            return
        origin = get_origin(hint)
        if origin is Literal:
            for value in get_args(hint):
                yield (f"{label}={value}" if len(get_args(hint)) > 1 else label), value
        elif origin in (Union, types.UnionType):
            for member in get_args(hint):
                if member is not type(None):
                    yield from self._of(member, name, label, depth)
        elif origin in _LISTS:
            for where, value in self._of(get_args(hint)[0], name, label, depth):
                yield where, [value]
        else:
            yield label, _value(hint, name)


_LISTS = (list, typing.Iterable, Iterable, typing.List, typing.Sequence)


def _bare(hint: Any) -> Any:
    """The type without what says whether it must be there, and how it is written."""
    while get_origin(hint) in (Required, NotRequired, typing.Annotated):
        hint = get_args(hint)[0]
    if hasattr(hint, "__value__"):
        return _bare(hint.__value__)
    return hint


def _is_header(hint: Any) -> bool:
    """Whether a parameter travels as a header."""
    return any(
        str(getattr(extra, "alias", "")).startswith("anthropic-")
        for extra in getattr(_strip(hint), "__metadata__", ())
    )


def _strip(hint: Any) -> Any:
    while get_origin(hint) in (Required, NotRequired):
        hint = get_args(hint)[0]
    return hint


def _smallest(kind: type) -> dict[str, Any]:
    """With the fields that it must have, and no others."""
    hints = get_type_hints(kind, include_extras=True)
    needed = kind.__required_keys__  # type: ignore[attr-defined]
    return {
        name: _value(_bare(hint), name)
        for name, hint in hints.items()
        if name in needed or get_origin(hint) is Required
    }


def _value(hint: Any, name: str) -> Json:
    hint = _bare(hint)
    if is_typeddict(hint):
        return _smallest(hint)
    origin = get_origin(hint)
    if origin is Literal:
        return get_args(hint)[0]
    if origin in (Union, types.UnionType):
        members = [member for member in get_args(hint) if member is not type(None)]
        return _value(next((m for m in members if m is str), members[0]), name)
    if origin in _LISTS:
        return [_value(get_args(hint)[0], name)]
    if hint is str:
        return _TEXTS.get(name, "a")
    if hint is bool:
        return True
    if hint in (int, float):
        return _NUMBERS.get(name, 1)
    return {"type": "object"}


def _without(value: Json, name: str) -> Json:
    """The value without the fields of a name, wherever they stand."""
    if isinstance(value, list):
        return [_without(item, name) for item in value]
    if isinstance(value, dict):
        return {k: _without(v, name) for k, v in value.items() if k != name}
    return value
