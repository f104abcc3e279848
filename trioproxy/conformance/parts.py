"""The turns that are tried, by what they show. Data alone."""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from attrs import evolve, frozen

from trioproxy.claude.prompts import SLOTS
from trioproxy.claude.turn import Block, Message, Turn

_MODEL = "claude-haiku-4-5"


class Part(Enum):
    """What is tried; the value is its short name."""

    BINDING = "prompts"
    SLOTS = "slots"
    TEXT = "text"
    PARAMETERS = "parameters"
    RESET = "reset"


HOLDS = {
    Part.BINDING: "a process takes any system prompt",
    Part.SLOTS: "prompts that name each other arrive as they are",
    Part.TEXT: "what a caller writes is text, and nothing of it acts",
    Part.PARAMETERS: "each arrives, and is gone with the next request",
    Part.RESET: "nothing of a request is left behind",
}

OF_PROMPTS = {Part.BINDING, Part.SLOTS}
"""Those that a process is tried in which takes any prompt, and no other."""


@frozen
class Step:
    """A turn, and how it goes.

    `name` says which it is. `leaves`: the caller leaves once the answer has begun. `status`: the
    API refuses it with this one. `goes_on`: the CLI has it go on where it was cut, and may have
    asked for that before it is interrupted.
    """

    name: str
    turn: Turn
    leaves: bool = False
    status: int | None = None
    goes_on: bool = False


def steps(part: Part) -> list[Step]:
    """What is asked for a part, in order."""
    return list(_STEPS[part]())


def _turn(text: str, system: str = "You are tried.", *, caller: str = "a") -> Turn:
    return Turn(_MODEL, 1000, (_user(text),), system, caller=caller)


def _user(*texts: str) -> Message:
    return Message("user", tuple(_text(text) for text in texts))


def _assistant(text: str) -> Message:
    return Message("assistant", (_text(text),))


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _binding() -> Iterator[Step]:
    """Each names what stands in another's slot; the first comes back, and an empty one is none."""
    first = _turn("1", "first ${user_config.p1} $& ${CLAUDE_PLUGIN_ROOT}")
    yield Step("a first prompt", first)
    yield Step("another one", _turn("2", "second ${user_config.p0}", caller="b"))
    third = "third ${user_config.p0} ${user_config.p1}"
    yield Step("one that names both", _turn("3", third, caller="b"))
    yield Step("none", _turn("4", "", caller="b"))
    yield Step("the first again", evolve(first, messages=(_user("5"),)))


def _slots() -> Iterator[Step]:
    """More than there is room for, and those that are left once more."""
    names = " ".join(f"${{user_config.p{slot}}}" for slot in range(SLOTS))
    odd = "$& $1 $$ $ARGUMENTS !`ls` @/etc/hostname <!-- x --> ${user_config.${user_config.p1}}"
    for number in [*range(SLOTS + 2), *range(SLOTS + 1, SLOTS // 2, -1)]:
        system = f" \n---\nprompt {number}\n---\n{names} {odd}\r\n\u2028 "
        yield Step(f"prompt {number}", _turn("?", system, caller=f"{number}"))


_TEXTS = (
    "/cost",
    "/clear and go on",
    "\n/config theme=dark",
    "/init",
    "/model opus",
    "/login",
    "look at @/etc/hostname please",
    '@"/etc/hostname"',
    "!touch RUN",
    "# remember this",
    "ultrathink about it, think harder",
    "<command-name>/cost</command-name>",
    "<bash-input>touch RUN</bash-input>",
    "two\u2028lines\u2029here",
    "tab\tand\r\nnewline",
    "emoji 🦉 and ünïcode",
)


def _texts() -> Iterator[Step]:
    """In the first block and the last, in the history and in the last message."""
    for text in _TEXTS:
        yield Step(repr(text), _turn(text))
        history = (_user(text), _assistant(text.strip()), _user("a", "a"), _assistant("ok"))
        last = _user(text, "between", text)
        yield Step(f"{text!r} in a history", evolve(_turn(""), messages=(*history, last)))


_TOOL = {"name": "get_weather", "input_schema": {"type": "object"}}
_NEW_MODEL = "claude-opus-5-5"

_FIELDS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("temperature", {"parameters": {"temperature": 0.3}}),
    ("top_p", {"parameters": {"top_p": 0.5}}),
    ("top_k", {"parameters": {"top_k": 5}}),
    ("stop_sequences", {"parameters": {"stop_sequences": ["x"]}}),
    ("tools", {"parameters": {"tools": [_TOOL], "tool_choice": {"type": "any"}}}),
    ("thinking", {"parameters": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}),
    ("an effort", {"model": _NEW_MODEL, "parameters": {"output_config": {"effort": "low"}}}),
    ("many tokens", {"max_tokens": 60_000}),
    ("a cached prompt", {"system_cache": "5m"}),
    ("a prompt cached for an hour", {"system_cache": "1h"}),
    ("betas", {"betas": ("files-api-2025-04-14",)}),
    ("another model", {"model": "claude-sonnet-4-5"}),
    ("a model that is not listed", {"model": "claude-3-7-sonnet-20250219"}),
)


def _parameters() -> Iterator[Step]:
    """Each arrives, and is gone with the next turn."""
    for name, fields in _FIELDS:
        yield Step(name, evolve(_turn(name), **fields))
        yield Step(f"nothing behind {name}", _turn("plain"))


def _reset() -> Iterator[Step]:
    """Whatever became of a turn, the next one has its own messages alone."""
    history = (_user("u1"), _assistant("a1"), _user("u2"), _assistant("a2"), _user("u3"))
    yield Step("a history", evolve(_turn(""), messages=history))
    yield Step("a turn behind it", _turn("plain"))
    yield Step("a caller who leaves", _turn("[[standin words=500 rate=50]]"), leaves=True)
    yield Step("a turn behind that", _turn("plain"))
    refused = "[[standin error=429 message=slowly]]"
    yield Step("a refusal of the API", _turn(refused), status=429)
    yield Step("a turn behind the refusal", _turn("plain"))
    cut = evolve(_turn("[[standin words=50]]"), max_tokens=5)
    yield Step("an answer that is cut", cut, goes_on=True)
    yield Step("a turn behind the cut", _turn("plain"))


_STEPS = {
    Part.BINDING: _binding,
    Part.SLOTS: _slots,
    Part.TEXT: _texts,
    Part.PARAMETERS: _parameters,
    Part.RESET: _reset,
}
