"""The parameter types of the official packages, and what becomes of each field of theirs here.

Each field of each type that a request can reach is put into the smallest request that can have it,
and that is read by the parsers themselves. Pure: nothing is asked.
"""

import base64
import re
import types
import typing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Literal, NotRequired, Required, TypeAlias, Union, get_args, get_origin

from attrs import define, field, frozen
from typing_extensions import get_type_hints, is_typeddict

from tests.messages import png
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

Verdict: TypeAlias = Literal["taken", "named", "silent", "unknown", "refused"]
"""It alters what is asked; it is named, in a note or a refusal; it is dropped without a word; what
it stands in is refused, or says nothing; it is refused as what nobody knows."""

Json: TypeAlias = Any
Parse: TypeAlias = Callable[[dict[str, Any]], object]
"""Reads a body: all that it means, comparable. Raises `InvalidRequest`."""

_BEST: Mapping[Verdict, int] = {"taken": 4, "named": 3, "silent": 2, "refused": 1, "unknown": 0}

HEADERS = {"betas", "user_profile_id", "workspace_id"}
"""What a package sends as a header."""

_NONE: tuple[Verdict, str] = ("unknown", "")

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
_NUMBERS = {
    "max_tokens": 4096,
    "max_output_tokens": 4096,
    "budget_tokens": 1024,
    "temperature": 0.5,
    "top_p": 0.5,
}


@frozen
class Finding:
    """A field, or a value of one, that is neither taken nor named.

    `what`: as `Type.field` or `Type.field=value`; a type of block that nobody knows, as its value.
    """

    what: str
    verdict: Verdict
    reason: str


Wrap: TypeAlias = Callable[[Json], dict[str, Any]]
"""Puts a value into the place of a body where its type is first reached."""


@define
class Walk:
    """All that the type of a request can reach, each put into a request, the nearest first.

    `parse` reads a body, and `notes` has those of what it means; `contexts` gives the bodies in
    which one is tried, of which the kindest decides.
    """

    parse: Parse
    notes: Callable[[Any], tuple[str, ...]]
    contexts: Callable[[dict[str, Any]], Iterable[dict[str, Any]]]
    wrong: Sequence[Json] = ()
    """Values to try of every field, whatever its type."""
    verdicts: dict[str, tuple[Verdict, str]] = field(factory=dict, init=False)
    _queue: deque[tuple[type, Wrap]] = field(factory=deque, init=False)
    _seen: set[str] = field(factory=set, init=False)

    def findings(self, root: type, base: Mapping[str, Any]) -> list[Finding]:
        """Try each field of what the type of a request reaches; `base`: what every body has."""
        self._add(root, lambda value: {**base, **value})
        while self._queue:
            kind, wrap = self._queue.popleft()
            for name, hint in get_type_hints(kind).items():
                if name not in HEADERS:
                    self._try(kind, name, hint, wrap)
        found: dict[str, Finding] = {}
        for where, (verdict, reason) in self.verdicts.items():
            if verdict == "unknown" or (verdict == "silent" and self._is_silent(where)):
                kinds = _KIND.search(reason)
                what = kinds[1] if kinds and "=" not in where else where
                found.setdefault(what, Finding(what, verdict, reason))
        of_kinds = {name for name, finding in found.items() if "." not in name}
        return [
            finding
            for finding in found.values()
            if finding.what in of_kinds or not _is_of_a_kind(finding.reason, of_kinds)
        ]

    def _is_silent(self, where: str) -> bool:
        """Whether no value of the field is more than silent: one may be what is assumed."""
        of_field = where.partition("=")[0]
        alike = [name for name in self.verdicts if name.partition("=")[0] == of_field]
        return all(self.verdicts[name][0] == "silent" for name in alike)

    def _add(self, kind: type, wrap: Wrap) -> None:
        if kind.__name__ not in self._seen:
            self._seen.add(kind.__name__)
            self._queue.append((kind, wrap))

    def _try(self, kind: type, name: str, hint: Any, wrap: Wrap) -> None:
        smallest = _smallest(kind)

        def put(value: Json) -> dict[str, Any]:
            return wrap({**smallest, name: value})

        label = f"{kind.__name__}.{name}"
        values = self._values(hint, name, label, put)
        wrong = ((f"{label}={value!r}", value) for value in self.wrong)
        for where, value in chain(values, wrong):
            for body in self.contexts(put(value)):
                if self.verdicts.get(where, _NONE)[0] in {"taken", "named"}:
                    break
                verdict, reason = self._judge(where, name, body, is_bare=_is_bare(value))
                before = self.verdicts.get(where)
                if before is None or _BEST[verdict] > _BEST[before[0]]:
                    self.verdicts[where] = verdict, reason

    def _judge(
        self, where: str, name: str, body: dict[str, Any], *, is_bare: bool
    ) -> tuple[Verdict, str]:
        try:
            meant = self.parse(body)
        except InvalidRequest as error:
            is_kind = "=" in where or error.path.endswith((".type", ".role"))
            is_unknown = error.refusal in _UNKNOWN or (
                error.refusal is Refusal.WRONG_VALUE and is_kind
            )
            if is_unknown:
                return "unknown", error.message
            is_its_own = self._refusal(_without(body, name)) != error.message
            return ("named" if is_its_own else "refused"), error.message
        less = _without(body, name)
        if self._refusal(less) or self.parse(less) != meant:
            return "taken", ""
        if self.notes(meant):
            return "named", ""
        return ("refused" if is_bare else "silent"), ""

    def _refusal(self, body: dict[str, Any]) -> str:
        try:
            self.parse(body)
        except InvalidRequest as error:
            return error.message
        return ""

    def _values(self, hint: Any, name: str, label: str, put: Wrap) -> Iterator[tuple[str, Json]]:
        """Values of a type, each with what it is called; the types within come later."""
        hint = _bare(hint)
        if is_typeddict(hint):
            self._add(hint, put)
            yield label, _smallest(hint)
            return
        origin, members = get_origin(hint), get_args(hint)
        if origin is Literal:
            for value in members:
                yield (f"{label}={value}" if len(members) > 1 else label), value
        elif origin in _UNIONS:
            for member in members:
                if member is not type(None):
                    yield from self._values(member, name, label, put)
        elif origin in _LISTS:
            for where, value in self._values(members[0], name, label, lambda v: put([v])):
                yield where, [value]
        elif hint is bool:
            yield from ((label, flag) for flag in (True, False))
        else:
            yield label, _value(hint, name)


def _is_bare(value: Json) -> bool:
    """Whether it says nothing yet: what may stand in it comes later."""
    inner = value[0] if isinstance(value, list) and value else value
    return isinstance(inner, dict) and inner.keys() <= {"type"}


_KIND = re.compile(r'must be .*, not "([^"]+)"$')
_UNIONS = (Union, types.UnionType)


def _is_of_a_kind(reason: str, kinds: Iterable[str]) -> bool:
    return any(reason.endswith(f'not "{kind}"') for kind in kinds)


_LISTS = (list, Iterable, Sequence)


_AROUND: tuple[Any, ...] = (Required, NotRequired, typing.Annotated)


def _bare(hint: Any) -> Any:
    """The type without what says whether it must be there, and how it is written."""
    while get_origin(hint) in _AROUND:
        hint = get_args(hint)[0]
    return _bare(hint.__value__) if hasattr(hint, "__value__") else hint


def _smallest(kind: type) -> dict[str, Any]:
    """With the fields that it must have, and no others."""
    hints = get_type_hints(kind, include_extras=True)
    needed = kind.__required_keys__  # type: ignore[attr-defined]
    return {
        name: _value(_bare(hint), name)
        for name, hint in hints.items()
        if name in needed or get_origin(hint) in _AROUND[:1]
    }


def _value(hint: Any, name: str) -> Json:
    """The first value that the type allows."""
    hint = _bare(hint)
    origin, members = get_origin(hint), get_args(hint)
    if is_typeddict(hint):
        return _smallest(hint)
    if origin is Literal:
        return members[0]
    if origin in _UNIONS:
        kinds = [member for member in members if member is not type(None)]
        return _value(str if str in kinds else kinds[0], name)
    return [_value(members[0], name)] if origin in _LISTS else _plain(hint, name)


def _plain(hint: Any, name: str) -> Json:
    """A text, a number, or anything."""
    plain = {str: _TEXTS.get(name, "a"), bool: True}
    numbers = dict.fromkeys((int, float), _NUMBERS.get(name, 1))
    return {**plain, **numbers}.get(hint, {"type": "object"})


def _without(value: Json, name: str) -> Json:
    """The value without the fields of a name, wherever they stand."""
    if isinstance(value, list):
        return [_without(item, name) for item in value]
    if isinstance(value, dict):
        return {k: _without(v, name) for k, v in value.items() if k != name}
    return value
