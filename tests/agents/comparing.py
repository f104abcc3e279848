"""What differs between a request as a client sends it and as it reaches the API.

Two comparisons, each with a table of what is known and right; all else is a difference:

- `carried`: what the client sent the server, and what the server's CLI sent the API for it
- `repeated`: what the client sent straight to the API, and what it sent the server
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import orjson
from attrs import frozen

Body: TypeAlias = dict[str, Any]

# The CLI's own words before the caller's system prompt, and its own beta features.
BILLING: Final = "x-anthropic-billing-header:"
SHOWN: Final = 200  # characters of a value that differs
OWN_SYSTEM: Final = 2  # blocks
BREAKPOINT: Final = "cache_control:"  # a note of one that is moved or left out
OWN_BETAS: Final = {"claude-code-20250219", "oauth-2025-04-20", "effort-2025-11-24"}

# What the CLI says where a caller says nothing: the same in other words.
SAYS_NOTHING: Final[Body] = {"tools": [], "temperature": 1, "thinking": {"type": "disabled"}}

# What a client makes anew each time it runs. The first that matches a place wins.
OWN_OF_A_RUN: Final[Mapping[str, str]] = {
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}": "UUID",
    r"\\?\"device_id\\?\":\\?\"[0-9a-f]{64}": "DEVICE",
    r"standin_\d{6}": "standin",
    r"cc_version=[\w.]+": "cc_version",
}


@frozen
class Request:
    """A request for an answer of the model: its body, and the beta features it asks for."""

    body: Body
    betas: frozenset[str]
    notes: str
    """What the server has noted in its answer."""


@frozen
class Difference:
    """A place where two requests are not alike."""

    request: int
    where: str
    one: str
    other: str

    def __str__(self) -> str:
        return f"request {self.request}: {self.where}: {self.one} became {self.other}"


def request(body: Body, headers: Mapping[str, str], notes: str = "") -> Request:
    """A request, of its body and its headers with names in lower case."""
    betas = filter(None, headers.get("anthropic-beta", "").replace(" ", "").split(","))
    return Request(body, frozenset(betas), notes)


def carried(sent: Sequence[Request], arrived: Sequence[Request]) -> list[Difference]:
    """What the server has altered, or asked more or less often than it was asked."""
    found = _differences(map(_as_sent, sent), map(_as_arrived, arrived))
    moved = {at for at, one in enumerate(sent, 1) if BREAKPOINT in one.notes}
    of_moved = [one for one in found if one.request in moved and _is_breakpoint(one)]
    return [one for one in found if one not in of_moved and not _is_own_metadata(one)]


def _is_breakpoint(difference: Difference) -> bool:
    """Whether it is of a cache breakpoint, which decides only what an answer costs."""
    return difference.where.endswith(".cache_control")


def _is_own_metadata(difference: Difference) -> bool:
    """Whether the CLI has named its own user, where the caller has named none."""
    return difference.where == "metadata" and difference.one == repr("nothing")


def repeated(straight: Sequence[Request], sent: Sequence[Request]) -> list[Difference]:
    """What the client does otherwise because it asks this server."""
    return _differences(map(_of_any_run, straight), map(_of_any_run, sent))


def _as_sent(request: Request) -> Body:
    """What is the caller's own in a request that a client has sent."""
    texts = _texts(request.body.get("system"))
    system = [text for text in texts if not text.startswith(BILLING)]
    return _plain(request, system)


def _as_arrived(request: Request) -> Body:
    """The same in one that the CLI has sent."""
    texts = _texts(request.body.get("system"))
    assert texts[0].startswith(BILLING), "the CLI's first block"
    return _plain(request, texts[OWN_SYSTEM:])


def _plain(request: Request, system: Sequence[str]) -> Body:
    body = {
        name: value
        for name, value in request.body.items()
        if name != "stream" and not (name in SAYS_NOTHING and value == SAYS_NOTHING[name])
    }
    messages = [
        {**message, "content": _as_blocks(message["content"])} for message in body["messages"]
    ]
    prompt = "\n\n".join(system)
    return {**body, "messages": messages, "system": prompt, "betas": request.betas - OWN_BETAS}


def _of_any_run(request: Request) -> Body:
    text = orjson.dumps(request.body).decode()
    for pattern, name in OWN_OF_A_RUN.items():
        text = re.sub(pattern, name, text)
    return {**orjson.loads(text), "betas": request.betas}


def _texts(system: Any) -> list[str]:
    return [block["text"] for block in _as_blocks(system or [])]


def _as_blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _differences(ones: Iterator[Body], others: Iterator[Body]) -> list[Difference]:
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
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (inner_one, inner_other) in enumerate(zip(one, other, strict=True)):
            yield from _places(inner_one, inner_other, f"{where}[{index}]")
    elif one != other:
        yield where, *_around(one, other)


def _around(one: Any, other: Any) -> tuple[str, str]:
    """Both, from shortly before they part."""
    if not (isinstance(one, str) and isinstance(other, str)):
        return _short(one), _short(other)
    same = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    begin = max(0, same - 20)
    return _short(one[begin:]), _short(other[begin:])


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
