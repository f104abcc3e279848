"""The requests of the official packages, as their types have them, and who reads them here."""

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from importlib.metadata import version
from typing import Any

import orjson
from anthropic.types.beta.message_create_params import (
    MessageCreateParamsNonStreaming as BetaMessageParams,
)
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming as MessageParams
from attrs import frozen
from openai.types.beta.response_create_params import (
    ResponseCreateParamsNonStreaming as BetaResponseParams,
)
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming as ChatParams,
)
from openai.types.responses.response_compact_params import ResponseCompactParams
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming as ResponseParams,
)

from tests.dialects.parameter_types import Finding, Parse, Walk
from trioproxy.dialects.anthropic.request import RequestDefaults, read_request
from trioproxy.dialects.openai.chat import parse_chat
from trioproxy.dialects.openai.response_request import parse_compact, parse_responses

Body = dict[str, Any]

_BOOKS = "what an item says of itself, as it was answered: its text, call or result is what counts"
_AGENTS = "of `multi_agent`, which is refused"

KNOWN: Mapping[str, str] = {
    "*.status": _BOOKS,
    "*.phase": _BOOKS,
    "*.annotations": _BOOKS,
    "*.logprobs": _BOOKS,
    "*.execution": _BOOKS,
    "LocalShellCall.id": _BOOKS,
    "Annotation*": _BOOKS,
    "Logprob*": _BOOKS,
    "*.agent": _AGENTS,
    "*.agent_name": _AGENTS,
    "*.stream": "false is how it is answered where nothing is items",
    "*.truncation": "nothing is truncated in either way: what is too long is refused by the API",
    "*.include_obfuscation": "there is none: it hides the length of what is on its way",
    "PromptCacheOptions.ttl": "30m is what is assumed where nothing is items",
    "ChatCompletionMessageFunctionToolCallParam.type": "without one it is a function's",
}
"""Findings that are right as they are, by a pattern of their names, and why."""

_HI = {"role": "user", "content": "hi"}
_MODEL = {"model": "claude-haiku-4-5"}
_ALL: Mapping[str, Any] = {
    "mapped": {},
    "rules": RequestDefaults(),
    "can_search": True,
    "is_cached": True,
}


@frozen
class PackageRequest:
    """A request of a package. `base`: what each body has; for the others see `Walk`."""

    package: str
    name: str
    params: type
    base: Body
    parse: Parse
    notes: Callable[[Any], tuple[str, ...]]
    contexts: Callable[[Body], Iterator[Body]]

    def findings(self) -> list[Finding]:
        walk = Walk(self.parse, self.notes, self.contexts)
        return walk.findings(self.params, self.base)


def findings() -> Iterator[tuple[PackageRequest, Finding]]:
    """What no table here knows, of all requests."""
    for request in REQUESTS:
        for finding in request.findings():
            yield request, finding


def is_known(finding: Finding) -> str:
    """The pattern in `KNOWN` that has it; empty: none."""
    name = finding.what.partition("=")[0]
    return next((pattern for pattern in KNOWN if fnmatchcase(name, pattern)), "")


def versions() -> str:
    """Of the packages, as they are imported here."""
    return ", ".join(f"{name} {version(name)}" for name in ("anthropic", "openai"))


# -- In which requests a body is tried -----------------------------------------------------------


def _messages(body: Body) -> Iterator[Body]:
    """Also as an assistant says it, with a call before it or its result behind it."""
    yield body
    content = body["messages"][0].get("content")
    system = body.get("system")
    for blocks in (content, system):
        if isinstance(blocks, list):
            yield from _in_a_message({k: v for k, v in body.items() if k != "system"}, blocks)
    if "tool_choice" in body:
        yield {**body, "tools": [{"name": "a", "input_schema": {"type": "object"}}]}


def _in_a_message(body: Body, content: list[Any]) -> Iterator[Body]:
    call = {"type": "tool_use", "id": "a", "name": "a", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": "x"}
    assistants = {"role": "assistant", "content": content}
    users = {"role": "user", "content": content}
    for messages in (
        [users],
        [_HI, assistants, _HI],
        [_HI, assistants, {"role": "user", "content": [result]}],
        [_HI, {"role": "assistant", "content": [call]}, users],
    ):
        yield {**body, "messages": messages}


def _chats(body: Body) -> Iterator[Body]:
    yield body
    function = {"name": "a", "arguments": "{}"}
    call = {
        "role": "assistant",
        "tool_calls": [{"id": "a", "type": "function", "function": function}],
    }
    result = {"role": "tool", "tool_call_id": "a", "content": "x"}
    items = body["messages"]
    for messages in ([_HI, *items, _HI], [_HI, *items, result], [_HI, call, *items]):
        yield {**body, "messages": messages}
    if "tool_choice" in body:
        yield {**body, "tools": [{"type": "function", "function": {"name": "a"}}]}
        yield {**body, "tools": [{"type": "custom", "custom": {"name": "a"}}]}
    yield from _settings(body)


def _settings(body: Body) -> Iterator[Body]:
    """With what a parameter is about."""
    if "stream_options" in body:
        yield {**body, "stream": True}
    if "parallel_tool_calls" in body:
        function = {"type": "function", "name": "a"}
        yield {**body, "tools": [function]}
    if "prompt_cache_options" in body:
        yield {**body, "prompt_cache_key": "k"}


def _responses(body: Body) -> Iterator[Body]:
    yield body
    items = body.get("input")
    if isinstance(items, list):
        yield {**body, "input": [_HI, *items, _HI]}
        for kind in ("function_call", "custom_tool_call"):
            output = {"type": f"{kind}_output", "call_id": "a", "output": "x"}
            yield {**body, "input": [_HI, *items, output]}
        call = {"type": "function_call", "call_id": "a", "name": "a", "arguments": "{}"}
        yield {
            **body,
            "input": [_HI, *items, {"type": "local_shell_call_output", "id": "a", "output": "x"}],
        }
        yield {**body, "input": [_HI, call, *items]}
    if "tool_choice" in body:
        for tool in (
            {"type": "function", "name": "a"},
            {"type": "custom", "name": "a"},
            {"type": "local_shell"},
            {"type": "web_search"},
        ):
            yield {**body, "tools": [tool]}
    yield from _settings(body)


# -- What a body means ---------------------------------------------------------------------------


def _chat(body: Body) -> object:
    asked = parse_chat(orjson.dumps(body), **_ALL)
    return asked.messages, asked.has_usage


def _response(body: Body) -> object:
    asked = parse_responses(orjson.dumps(body), **_ALL)
    return asked.messages, asked.has_thoughts, asked.has_sources, asked.wants_summary


def _compact(body: Body) -> object:
    asked = parse_compact(orjson.dumps(body), **_ALL)
    return asked.messages, asked.kept


def _first_notes(meant: Any) -> tuple[str, ...]:
    notes: tuple[str, ...] = meant[0].notes
    return notes


_ASKED = {**_MODEL, "max_tokens": 4096, "messages": [_HI]}
_GIVEN = {**_MODEL, "input": "hi"}

REQUESTS = [
    *(
        PackageRequest(
            "anthropic",
            name,
            params,
            _ASKED,
            lambda body: read_request({**body}),
            lambda meant: meant.notes,
            _messages,
        )
        for name, params in {"messages": MessageParams, "beta messages": BetaMessageParams}.items()
    ),
    PackageRequest(
        "openai", "chats", ChatParams, {**_MODEL, "messages": [_HI]}, _chat, _first_notes, _chats
    ),
    *(
        PackageRequest("openai", name, params, _GIVEN, _response, _first_notes, _responses)
        for name, params in {
            "responses": ResponseParams,
            "beta responses": BetaResponseParams,
        }.items()
    ),
    PackageRequest(
        "openai", "compact", ResponseCompactParams, _GIVEN, _compact, _first_notes, _responses
    ),
]
