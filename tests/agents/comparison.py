"""What differs between a request as a client sends it and as it reaches the API.

Two comparisons; what is known and right stands in `mending.py`, all else is a difference:

- `carried`: what the client sent the server, and what the server's CLI sent the API for it
- `repeated`: what the client sent straight to the API, and what it sent the server
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import orjson
from attrs import field, frozen

from tests.agents.mends import ADDED, as_arrived, as_sent, is_named

SHOWN = 200  # characters of a value that differs

# What a client makes anew each time it runs.
OWN_OF_A_RUN: Mapping[str, str] = {
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
    first: str
    other: str

    def __str__(self) -> str:
        return f"request {self.request}: {self.where}: {self.first} became {self.other}"


def request(body: Body, headers: Mapping[str, str], *, notes: str = "") -> Request:
    """A request, of its body and its headers with names in lower case."""
    betas = filter(None, headers.get("anthropic-beta", "").replace(" ", "").split(","))
    return Request(body, frozenset(betas), notes=notes)


def carried(sent: Sequence[Request], arrived: Sequence[Request]) -> list[Difference]:
    """What the server has altered and not named, or asked more or less often than it was asked."""
    ones = [as_sent(item.body, item.betas, item.notes) for item in sent]
    others = [as_arrived(other.body, other.betas) for other in arrived]
    return [
        difference for difference in _differences(ones, others) if not _is_known(difference, sent)
    ]


def _is_known(difference: Difference, sent: Sequence[Request]) -> bool:
    if (difference.where, difference.first, difference.other) in _ADDED:
        return True
    if difference.where == "metadata" and difference.first == repr("nothing"):
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
    for number, item in enumerate(ones, 1):
        if item in left:
            left.remove(item)
        else:
            unlike.append((number, item))
    found = []
    for number, item in unlike:
        if not left:
            found.append(Difference(number, "", "a request", "none"))
            continue
        nearest = min(left, key=lambda other: _distance(item, other))
        left.remove(nearest)
        found += [Difference(number, *place) for place in _places(item, nearest, "")]
    found += [Difference(0, "", "none", f"a request: {_short(other)}") for other in left]
    return found


def _distance(item: Body, other: Body) -> int:
    """The length of what differs: a conversation that is longer is farther than a lost mark."""
    return sum(len(before) + len(after) for _, before, after in _places(item, other, ""))


def _places(item: Any, other: Any, where: str) -> Iterator[tuple[str, str, str]]:
    """The innermost places that differ."""
    if isinstance(item, dict) and isinstance(other, dict):
        for name in [*item, *(name for name in other if name not in item)]:
            inner = f"{where}.{name}" if where else name
            if name not in item or name not in other:
                yield inner, _short(item.get(name, "nothing")), _short(other.get(name, "nothing"))
            else:
                yield from _places(item[name], other[name], inner)
    elif isinstance(item, list) and isinstance(other, list):
        yield from _in_lists(item, other, where)
    elif item != other:
        yield where, *_around(item, other)


def _in_lists(item: list[Any], other: list[Any], where: str) -> Iterator[tuple[str, str, str]]:
    """As `_places`, of lists: what is alike at their ends is the same in both."""
    begin = _alike(item, other)
    end = min(_alike(item[::-1], other[::-1]), len(item) - begin, len(other) - begin)
    here, there = item[begin : len(item) - end], other[begin : len(other) - end]
    if len(here) == len(there):
        for index, (inner, opposite) in enumerate(zip(here, there, strict=True), begin):
            yield from _places(inner, opposite, f"{where}[{index}]")
    else:
        yield f"{where}[{begin}:]", _short(here), _short(there)


def _alike(item: Sequence[Any], other: Sequence[Any]) -> int:
    """How many are the same from the first on."""
    pairs = enumerate(zip(item, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(item), len(other)))


def _around(item: Any, other: Any) -> tuple[str, str]:
    """Both, from shortly before they part; of sets, what each has alone."""
    if isinstance(item, frozenset) and isinstance(other, frozenset):
        return _short(sorted(item - other)), _short(sorted(other - item))
    if not (isinstance(item, str) and isinstance(other, str)):
        return _short(item), _short(other)
    begin = max(0, _alike(item, other) - 20)
    return _short(item[begin:]), _short(other[begin:])


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


_ADDED = {(name, _short("nothing"), _short(value)) for name, value in ADDED}
