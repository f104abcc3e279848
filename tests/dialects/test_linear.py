"""A body is read in a time that grows as its length does: of every kind, in every dialect.

Twice the body may take little more than twice the steps of Python, which are counted, so that
neither the machine nor its load matters. What is slow inside a single step (to look through a
list, to insert into it) shows only in the time: there a quadratic reader would take 64 times as
long for 8 times the body, and 24 times is allowed.
"""

import gc
import sys
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import orjson
import pytest

from trioproxy.dialects.anthropic.request import RequestDefaults, parse_request
from trioproxy.dialects.openai.calls import TextOfCall
from trioproxy.dialects.openai.chat import parse_chat
from trioproxy.dialects.openai.items import sealed
from trioproxy.dialects.openai.response_request import parse_responses

RULES = RequestDefaults(max_messages=10**6)
SAYS = {"role": "user", "content": "hi"}
SPOKE = {"role": "assistant", "content": "yes"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
THOUGHT = sealed({"type": "thinking", "thinking": "hm", "signature": "c2ln"})

Make = Callable[[int], dict[str, Any]]


# -- Chats ---------------------------------------------------------------------------------------


def of_chat(*messages: dict[str, Any], **fields: object) -> dict[str, Any]:
    return {"model": "haiku", "messages": [*messages], **fields}


def chat_call(name: str) -> dict[str, Any]:
    return {"id": name, "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


def chat_result(name: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": name, "content": "x"}


def calls_then_words_then_results(n: int) -> dict[str, Any]:
    called = {"role": "assistant", "tool_calls": [chat_call(f"c{i}") for i in range(n)]}
    results = [chat_result(f"c{i}") for i in range(n)]
    return of_chat(SAYS, called, *[SAYS] * n, *results)


def words_and_results_by_turns(n: int) -> dict[str, Any]:
    called = {"role": "assistant", "tool_calls": [chat_call(f"c{i}") for i in range(n)]}
    mixed = [item for i in range(n) for item in (SAYS, chat_result(f"c{i}"))]
    return of_chat(SAYS, called, *mixed)


def answers_behind_calls(n: int) -> dict[str, Any]:
    called = [{"role": "assistant", "tool_calls": [chat_call(f"c{i}")]} for i in range(n)]
    answers = [item for call in called for item in (call, SPOKE)]
    return of_chat(SAYS, *answers, *[chat_result(f"c{i}") for i in range(n)])


def chat_tools(n: int) -> dict[str, Any]:
    functions = [{"name": f"f{i}", "parameters": SCHEMA} for i in range(n)]
    return of_chat(
        SAYS, tools=[{"type": "function", "function": function} for function in functions]
    )


CHATS: dict[str, Make] = {
    "words": lambda n: of_chat(*[SAYS] * n),
    "words and answers": lambda n: of_chat(*[SAYS, SPOKE] * n, SAYS),
    "calls, then words, then results": calls_then_words_then_results,
    "words and results by turns": words_and_results_by_turns,
    "answers behind calls": answers_behind_calls,
    "instructions": lambda n: of_chat(*[{"role": "system", "content": "s"}] * n, SAYS),
    "parts": lambda n: of_chat({"role": "user", "content": [{"type": "text", "text": "a"}] * n}),
    "tools": chat_tools,
    "a long text": lambda n: of_chat({"role": "user", "content": "a " * n * 100}),
}


# -- Responses -----------------------------------------------------------------------------------


def of_response(*items: dict[str, Any], **fields: object) -> dict[str, Any]:
    return {"model": "haiku", "input": [*items], **fields}


def item_call(i: int, kind: str = "function") -> dict[str, Any]:
    given = {"arguments": "{}"} if kind == "function" else {"input": "x"}
    kind = "function_call" if kind == "function" else "custom_tool_call"
    return {"type": kind, "call_id": f"c{i}", "name": "f", "namespace": f"n{i % 7}", **given}


def item_output(i: int, kind: str = "function") -> dict[str, Any]:
    return {"type": f"{kind}_call_output", "call_id": f"c{i}", "output": "x"}


def a_loop_of_tools(n: int) -> dict[str, Any]:
    thought = {"type": "reasoning", "summary": [], "encrypted_content": THOUGHT}
    turns = ((thought, item_call(i), item_output(i)) for i in range(n))
    return of_response(SAYS, *(item for turn in turns for item in turn))


def more_of_one_result(n: int) -> dict[str, Any]:
    more = [item_output(0, "custom_tool")] * n
    return of_response(SAYS, item_call(0, "custom"), *more, SPOKE, *more)


def all_calls_first(n: int) -> dict[str, Any]:
    calls = [item_call(i) for i in range(n)]
    return of_response(SAYS, *calls, *[SAYS] * n, *map(item_output, range(n)))


def namespaces(n: int, name: str = "n") -> list[dict[str, Any]]:
    functions = [{"type": "function", "name": f"f{i}", "parameters": SCHEMA} for i in range(n)]
    return [{"type": "namespace", "name": name, "description": "d", "tools": functions}]


def tools_found_again(n: int) -> dict[str, Any]:
    found = {"type": "tool_search_output", "call_id": None, "execution": "server"}
    return of_response(*[{**found, "tools": namespaces(3, f"n{i}")} for i in range(n)], SAYS)


RESPONSES: dict[str, Make] = {
    "words": lambda n: of_response(*[SAYS] * n),
    "a loop of tools": a_loop_of_tools,
    "all calls first": all_calls_first,
    "more of one result": more_of_one_result,
    "answers behind calls": lambda n: of_response(
        SAYS,
        *(item for i in range(n) for item in (item_call(i), SPOKE)),
        *map(item_output, range(n)),
    ),
    "a namespace": lambda n: of_response(SAYS, tools=namespaces(n)),
    "names that are alike": lambda n: of_response(
        SAYS,
        tools=[{"type": "function", "name": "é" * (i + 1)} for i in range(n // 10)],
    ),
    "tools that are found": tools_found_again,
    "what is passed over": lambda n: of_response(SAYS, *[{"type": "web_search_call"}] * n),
}


# -- Messages ------------------------------------------------------------------------------------


def of_messages(*messages: dict[str, Any], **fields: object) -> dict[str, Any]:
    return {"model": "haiku", "max_tokens": 9, "messages": [*messages], **fields}


def blocks_of(role: str, *content: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": [*content]}


def use(i: int) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"c{i}", "name": "f", "input": {"a": 1}}


def result(i: int) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": f"c{i}", "content": "x"}


def a_loop_of_calls(n: int) -> dict[str, Any]:
    turns = ((blocks_of("assistant", use(i)), blocks_of("user", result(i))) for i in range(n))
    return of_messages(SAYS, *(item for turn in turns for item in turn))


def searches(n: int) -> dict[str, Any]:
    found = [
        item
        for i in range(n)
        for item in (
            {"type": "server_tool_use", "id": f"s{i}", "name": "web_search", "input": {}},
            {"type": "web_search_tool_result", "tool_use_id": f"s{i}", "content": []},
        )
    ]
    return of_messages(SAYS, blocks_of("assistant", *found), SAYS)


MESSAGES: dict[str, Make] = {
    "words": lambda n: of_messages(*[SAYS] * n),
    "words and answers": lambda n: of_messages(*[SAYS, SPOKE] * n, SAYS),
    "a loop of calls": a_loop_of_calls,
    "calls in one answer": lambda n: of_messages(
        SAYS,
        blocks_of("assistant", *map(use, range(n))),
        blocks_of("user", *map(result, range(n))),
    ),
    "searches in one answer": searches,
    "blocks": lambda n: of_messages(blocks_of("user", *[{"type": "text", "text": "a"}] * n)),
    "system blocks": lambda n: of_messages(SAYS, system=[{"type": "text", "text": "a"}] * n),
    "tools": lambda n: of_messages(
        SAYS, tools=[{"name": f"f{i}", "input_schema": SCHEMA} for i in range(n)]
    ),
}


# -- The property --------------------------------------------------------------------------------

READERS: dict[str, tuple[Callable[[bytes], object], dict[str, Make]]] = {
    "chat": (partial(parse_chat, mapped={}, rules=RULES), CHATS),
    "response": (partial(parse_responses, mapped={}, rules=RULES), RESPONSES),
    "messages": (partial(parse_request, rules=RULES), MESSAGES),
}
KINDS = [(dialect, name) for dialect, (_, kinds) in READERS.items() for name in kinds]


def body(dialect: str, name: str, n: int) -> bytes:
    return orjson.dumps(READERS[dialect][1][name](n))


def steps(read: Callable[[], object]) -> int:
    """The lines of Python that are run for it."""
    count = 0

    def traced(_frame: FrameType, event: str, _arg: object) -> Any:
        nonlocal count
        count += event == "line"
        return traced

    before = sys.gettrace()
    sys.settrace(traced)
    try:
        read()
    finally:
        sys.settrace(before)
    return count


def ratio(*reads: Callable[[], object]) -> float:
    """How much longer the second takes than the first; each at its best of three, by turns."""
    times: list[list[float]] = [[], []]
    gc.disable()
    try:
        for _ in range(3):
            for kept, read in zip(times, reads, strict=True):
                begin = time.thread_time()
                read()
                kept.append(time.thread_time() - begin)
    finally:
        gc.enable()
    small, large = map(min, times)
    return large / small


@pytest.mark.parametrize(("dialect", "name"), KINDS)
def test_twice_the_body_takes_twice_the_steps(dialect: str, name: str) -> None:
    read = READERS[dialect][0]
    small, large = (steps(partial(read, body(dialect, name, n))) for n in (50, 100))
    assert large < 2.2 * small


@pytest.mark.parametrize(("dialect", "name"), KINDS)
def test_what_is_inside_a_step_does_not_grow_either(dialect: str, name: str) -> None:
    read = READERS[dialect][0]
    assert ratio(*(partial(read, body(dialect, name, n)) for n in (125, 1000))) < 20


def test_a_long_text_of_a_call_is_decoded_in_one_pass() -> None:
    def decode(n: int) -> None:
        decoder = TextOfCall()
        for piece in ('{"input": "', *["a\\nb"] * n, '"}'):
            decoder.feed(piece)

    assert steps(partial(decode, 400)) < 2.2 * steps(partial(decode, 200))
    assert ratio(partial(decode, 2500), partial(decode, 20_000)) < 20
