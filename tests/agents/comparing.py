"""What differs between a request as a client sends it and as it reaches the API.

Two comparisons; what is known and right stands in `mending.py`, all else is a difference:

- `carried`: what the client sent the server, and what the server's CLI sent the API for it
- `repeated`: what the client sent straight to the API, and what it sent the server
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import orjson
from attrs import field, frozen

from tests.agents.mending import ADDED, as_arrived, as_sent, is_named

SHOWN: Final = 200  # characters of a value that differs

# What a client makes anew each time it runs.
OWN_OF_A_RUN: Final[Mapping[str, str]] = {
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}": "UUID",
    r"device_id\\*\":\\*\"[0-9a-f]{64}": "DEVICE",
    r"standin_\d{6}": "standin",
    r"cc_version=[\w.]+": "cc_version",
    # Programs count what the model's usage says; through the server, that has the CLI's own words.
    r"<total_tokens>\d+ tokens left": "TOKENS",
    r"<usage>.*?</usage>": "USAGE",
    # Which temporary file a program has taken.
    r"/tasks/\w+\.output": "/tasks/OUTPUT",
    r"\ba[0-9a-f]{16}\b": "AGENT",
    r"\b[0-9a-f]{32}\b": "REMINDER",
}

Body: TypeAlias = dict[str, Any]


@frozen
class Request:
    """A request for an answer of the model: its body, and the beta features it asks for."""

    body: Body
    betas: frozenset[str]
    notes: str = field(default="", kw_only=True)
    """What the server said of it."""


@frozen
class Difference:
    """A place where two requests are not alike."""

    request: int
    where: str
    one: str
    other: str

    def __str__(self) -> str:
        return f"request {self.request}: {self.where}: {self.one} became {self.other}"


def request(body: Body, headers: Mapping[str, str], *, notes: str = "") -> Request:
    """A request, of its body and its headers with names in lower case."""
    betas = filter(None, headers.get("anthropic-beta", "").replace(" ", "").split(","))
    return Request(body, frozenset(betas), notes=notes)


def carried(sent: Sequence[Request], arrived: Sequence[Request]) -> list[Difference]:
    """What the server has altered and not named, or asked more or less often than it was asked."""
    ones = [as_sent(one.body, one.betas, one.notes) for one in sent]
    others = [as_arrived(other.body, other.betas) for other in arrived]
    return [one for one in _differences(ones, others) if not _is_known(one, sent)]


def _is_known(difference: Difference, sent: Sequence[Request]) -> bool:
    if (difference.where, difference.one, difference.other) in _ADDED:
        return True
    if difference.where == "metadata" and difference.one == repr("nothing"):
        return True  # the CLI names its own user, where the caller names none
    return is_named(difference.where, sent[difference.request - 1].notes)


def repeated(straight: Sequence[Request], sent: Sequence[Request]) -> list[Difference]:
    """What the client does otherwise because it asks this server."""
    return _differences(map(_of_any_run, straight), map(_of_any_run, sent))


def _of_any_run(request: Request) -> Body:
    text = orjson.dumps(request.body).decode()
    for pattern, name in OWN_OF_A_RUN.items():
        text = re.sub(pattern, name, text)
    body = orjson.loads(text)
    messages = [_in_order(message) for message in body["messages"]]
    for safeguard in body.get("safeguards") or ():  # Claude Code may not know it yet
        safeguard["classifier_context"].pop("git_state", None)
    return {**body, "messages": messages, "betas": request.betas}


def _in_order(message: Body) -> Body:
    """The message with its results by their calls: those that run at once end in any order.

    The breakpoint of the cache stays where it is: at the last of them.
    """
    content = message["content"]
    if isinstance(content, str):
        return message
    marks = [block.pop("cache_control", None) for block in content]
    results = iter(sorted(filter(_is_result, content), key=lambda block: block["tool_use_id"]))
    ordered = [next(results) if _is_result(block) else block for block in content]
    return {**message, "content": ordered, "breakpoints": marks}


def _is_result(block: Body) -> bool:
    return bool(block["type"] == "tool_result")


def _differences(ones: Iterable[Body], others: Iterable[Body]) -> list[Difference]:
    """Pair what is alike, for sub-agents ask in any order; compare the rest in order."""
    left = list(others)
    unlike = []
    for number, one in enumerate(ones, 1):
        if one in left:
            left.remove(one)
        else:
            unlike.append((number, one))
    found = []
    for number, one in unlike:
        if not left:
            found.append(Difference(number, "", "a request", "none"))
            continue
        nearest = min(left, key=lambda other: _distance(one, other))
        left.remove(nearest)
        found += [Difference(number, *place) for place in _places(one, nearest, "")]
    found += [Difference(0, "", "none", f"a request: {_short(other)}") for other in left]
    return found


def _distance(one: Body, other: Body) -> int:
    """The length of what differs: a conversation that is longer is farther than a lost mark."""
    return sum(len(before) + len(after) for _, before, after in _places(one, other, ""))


def _places(one: Any, other: Any, where: str) -> Iterator[tuple[str, str, str]]:
    """The innermost places that differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in [*one, *(name for name in other if name not in one)]:
            inner = f"{where}.{name}" if where else name
            if name not in one or name not in other:
                yield inner, _short(one.get(name, "nothing")), _short(other.get(name, "nothing"))
            else:
                yield from _places(one[name], other[name], inner)
    elif isinstance(one, list) and isinstance(other, list):
        yield from _in_lists(one, other, where)
    elif one != other:
        yield where, *_around(one, other)


def _in_lists(one: list[Any], other: list[Any], where: str) -> Iterator[tuple[str, str, str]]:
    """As `_places`, of lists: what is alike at their ends is the same in both."""
    begin = _alike(one, other)
    end = min(_alike(one[::-1], other[::-1]), len(one) - begin, len(other) - begin)
    here, there = one[begin : len(one) - end], other[begin : len(other) - end]
    if len(here) == len(there):
        for index, (inner, opposite) in enumerate(zip(here, there, strict=True), begin):
            yield from _places(inner, opposite, f"{where}[{index}]")
    else:
        yield f"{where}[{begin}:]", _short(here), _short(there)


def _alike(one: Sequence[Any], other: Sequence[Any]) -> int:
    """How many are the same from the first on."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _around(one: Any, other: Any) -> tuple[str, str]:
    """Both, from shortly before they part; of sets, what each has alone."""
    if isinstance(one, frozenset) and isinstance(other, frozenset):
        return _short(sorted(one - other)), _short(sorted(other - one))
    if not (isinstance(one, str) and isinstance(other, str)):
        return _short(one), _short(other)
    begin = max(0, _alike(one, other) - 20)
    return _short(one[begin:]), _short(other[begin:])


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


_ADDED: Final = {(name, _short("nothing"), _short(value)) for name, value in ADDED}
