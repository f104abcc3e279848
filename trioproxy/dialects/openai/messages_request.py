"""What chat completions and responses ask for alike, and the Messages request that it makes."""

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from trioproxy.dialects.anthropic.cache_control import ADDED
from trioproxy.dialects.anthropic.request import MessagesRequest, RequestDefaults, read_request
from trioproxy.dialects.json_checks import (
    an_object,
    is_flag,
    is_object,
    is_string,
    is_word,
    kind,
    nullable,
)
from trioproxy.dialects.openai.caching import with_breakpoints
from trioproxy.dialects.openai.conversation import Conversation
from trioproxy.dialects.openai.models import mapped_name
from trioproxy.dialects.openai.schemas import ALTERED, as_taken
from trioproxy.dialects.openai.tools import Toolbox
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

_JSON_ONLY = "Answer with one JSON object, and with nothing else."

_MOST_STOPS = 4
_EFFORTS = {"minimal": "low", "ultra": "max"}


def messages_request(  # noqa: PLR0913 - what is said, and by whose rules
    data: Mapping[str, Any],
    conversation: Conversation,
    tools: Toolbox,
    parameters: Mapping[str, Any],
    renamed: Mapping[str, str],
    *,
    mapped: Mapping[str, str],
    rules: RequestDefaults,
    is_cached: bool = False,
) -> MessagesRequest:
    """The Messages request that a request means. Errors have the caller's own paths.

    `renamed`: what the caller calls the parameters of a Messages request. `is_cached`: whether it
    gets cache breakpoints.
    """
    conversation.ask_to_go_on()
    asked = {"messages": conversation.messages, "stream": data.get("stream", False), **parameters}
    offered: Mapping[str, str] | None = None
    if "model" in data:
        claudes = mapped_name(data["model"], mapped)
        asked["model"] = data["model"] if claudes is None else claudes
        offered = mapped if claudes is None else None
    asked["system"] = rules.system
    if conversation.system:
        text = "\n\n".join(conversation.system)
        mark = conversation.system_mark
        marked = [{"type": "text", "text": text, "cache_control": mark}]
        asked["system"] = text if mark is None else marked
    asked, notes = with_breakpoints(asked, data, is_cached=is_cached)
    try:
        request = read_request(asked, rules=rules, is_limited=False)
    except InvalidRequest as error:
        names = {**_words(data), **renamed}
        raise _in_the_callers_words(error, conversation, tools, names) from None
    notes += tuple(note for note in request.notes if note != ADDED)  # prompts are cached anyway
    return evolve(request, notes=notes, offered=offered)


def sampling(data: Mapping[str, Any], limit: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """How the answer is drawn, and for whom; and notes. `limit`: the name of the token limit.

    Up to a temperature of 1, which leaves the model's probabilities as they are, the two scales
    say the same. A `top_p` of 1 says nothing, and some models take only one of the two.
    """
    found: dict[str, Any] = {}
    notes: tuple[str, ...] = ()
    if limit in data:
        found["max_tokens"] = data[limit]
    if "temperature" in data:
        found["temperature"] = min(data["temperature"], 1)
        if data["temperature"] > 1:
            notes = ("temperature: above 1 treated as 1, Claude's highest",)
    if data.get("top_p", 1) != 1:
        found["top_p"] = data["top_p"]
    user = data.get("safety_identifier", data.get("user"))
    if user is not None:
        found["metadata"] = {"user_id": user}
    return found, notes


def stop_sequences(value: object, path: str) -> list[str]:
    """A string, or a list of up to four."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list):
        raise InvalidRequest(
            Refusal.WRONG_TYPE, f"must be a string or a list, not {kind(value)}", path=path
        )
    if len(listed) > _MOST_STOPS:
        raise InvalidRequest(
            Refusal.TOO_LONG,
            f"has {len(listed)} strings; at most {_MOST_STOPS} are allowed",
            path=path,
        )
    return listed


def effort_notes(effort: object, path: str) -> tuple[str, ...]:
    """Notes of an effort that Claude does not have."""
    if effort not in _EFFORTS:
        return ()
    end = "lowest" if effort == "minimal" else "highest"
    return (f"{path}: {effort} treated as {_EFFORTS[str(effort)]}, Claude's {end}",)


def output(effort: str | None, form: Mapping[str, Any] | None) -> dict[str, Any]:
    """How hard to think, and the `form` of a structured answer: a `json_schema` or None."""
    found: dict[str, Any] = {"thinking": {"type": "disabled"}} if effort == "none" else {}
    config: dict[str, Any] = {}
    if effort not in {None, "none"}:
        config["effort"] = _EFFORTS.get(str(effort), effort)
    if form is not None:
        described = {"description": form["description"]} if form.get("description") else {}
        config["format"] = {"type": "json_schema", "schema": {**described, **form["schema"]}}
    return {**found, "output_config": config} if config else found


_SCHEMA = {
    "name": is_word,
    "schema": is_object,
    "description": nullable(is_string),
    "strict": nullable(is_flag),
}


def schema_at(value: object, path: str, conversation: Conversation) -> Mapping[str, Any]:
    """The schema of a structured answer, checked, and as Claude's API takes it."""
    an_object({**_SCHEMA, "type": is_string}, required={"name", "schema"})(value, path)
    assert isinstance(value, dict)
    if value.get("strict") is False:
        conversation.notes.append(f"{path}.strict without effect: Claude follows every schema")
    taken = as_taken(value["schema"])
    if taken != value["schema"]:
        conversation.notes.append(f"{path}.schema: {ALTERED}")
    return {**value, "schema": taken}


def json_only(conversation: Conversation) -> None:
    """Ask for JSON in the system prompt: Claude has no mode for JSON without a schema."""
    conversation.system.append(_JSON_ONLY)


# -- Errors --------------------------------------------------------------------------------------


def _words(data: Mapping[str, Any]) -> dict[str, str]:
    """What a caller has called the parameters of a Messages request."""
    return {
        "metadata.user_id": "safety_identifier" if "safety_identifier" in data else "user",
        "stop_sequences.0": "stop" if isinstance(data.get("stop"), str) else "stop.0",
        "stop_sequences": "stop",
    }


def _in_the_callers_words(
    error: InvalidRequest, conversation: Conversation, tools: Toolbox, renamed: Mapping[str, str]
) -> InvalidRequest:
    """The error with the path of what the caller has sent, instead of what was made of it.

    `renamed`: see `_words`.
    """
    head, *rest = error.parent.split(".")
    numbers = [int(part) for part in rest if part.isdigit()]
    path = renamed.get(error.parent) or ".".join((renamed.get(head, head), *rest))
    if head == "messages" and rest and rest[0].isdigit():
        at = numbers[1] if rest[1:2] == ["content"] and len(numbers) > 1 else 0
        path = conversation.origin(numbers[0], at) or renamed.get(head, head)
    elif head == "tools" and rest and rest[0].isdigit():
        schema = tools.schema_field(numbers[0])
        inside = [schema if part == "input_schema" else part for part in rest[1:]]
        path = ".".join((tools.origin(numbers[0]) or head, *inside))
    return InvalidRequest(error.refusal, error.reason, path=path, unknown=error.unknown)
