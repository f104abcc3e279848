"""What chat completions and responses ask for alike, and the Messages request that it makes."""

from collections.abc import Mapping, Sequence
from typing import Any

from trioproxy.claude.models import Models
from trioproxy.dialects.anthropic import MessagesRequest, Rules, read_request
from trioproxy.dialects.checks import (
    Check,
    a_list,
    an_object,
    is_flag,
    is_object,
    is_string,
    is_word,
    kind,
    nullable,
    one_of,
    short,
)
from trioproxy.dialects.names import is_tool
from trioproxy.dialects.openai.conversation import Conversation
from trioproxy.dialects.openai.models import claude_name
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

_JSON_ONLY = "Answer with one JSON object, and with nothing else."

_MOST_STOPS = 4
_EFFORTS = {"minimal": "low"}


def messages_request(  # noqa: PLR0913 - what is said, and by whose rules
    data: Mapping[str, Any],
    talk: Conversation,
    parameters: Mapping[str, Any],
    renamed: Mapping[str, str],
    *,
    models: Models,
    mapped: Mapping[str, str],
    rules: Rules,
) -> MessagesRequest:
    """What a request means; what is wrong with it is told by the names that the caller has used.

    `renamed`: what the caller calls the parameters of a Messages request.
    """
    asked = {"messages": talk.messages, "stream": data.get("stream", False), **parameters}
    if "model" in data:
        asked["model"] = claude_name(data["model"], mapped, models)
    if talk.system:
        asked["system"] = "\n\n".join(talk.system)
    try:
        return read_request(asked, rules=rules, is_limited=False)
    except InvalidRequest as error:
        names = {**_words(data), **renamed}
        raise _in_the_callers_words(error, talk.origins, names) from None


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
            given = data["temperature"]
            notes = (f"temperature: {given:g} taken as 1, the highest that Claude has",)
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
            Refusal.TOO_LONG, f"has {len(listed)} strings; {_MOST_STOPS} are taken", path=path
        )
    return listed


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


def schema_at(value: object, path: str, talk: Conversation) -> Mapping[str, Any]:
    """The schema of a structured answer, checked."""
    an_object({**_SCHEMA, "type": is_string}, required={"name", "schema"})(value, path)
    assert isinstance(value, dict)
    if value.get("strict") is False:
        talk.notes.append(f"{path}.strict without effect: Claude keeps to every schema")
    return value


def json_only(talk: Conversation) -> None:
    """Claude has no mode for any JSON at all: it is told."""
    talk.system.append(_JSON_ONLY)


# -- Tools ---------------------------------------------------------------------------------------

_FUNCTION: Mapping[str, Check] = {
    "name": is_tool,
    "description": nullable(is_string),
    "parameters": nullable(is_object),
    "strict": nullable(is_flag),
}


def _tool(value: Mapping[str, Any], path: str, extra: Mapping[str, Check]) -> dict[str, Any]:
    """A function as a tool; `extra` are the fields that may stand beside its own."""
    an_object({**_FUNCTION, **extra}, required={"name"})(value, path)
    schema = value.get("parameters") or {"type": "object", "properties": {}}
    tool: dict[str, Any] = {"name": value["name"], "input_schema": schema}
    if value.get("description"):
        tool["description"] = value["description"]
    if value.get("strict"):
        tool["strict"] = True
    return tool


def _is_function(value: object, path: str) -> None:
    """A tool, or a choice of one, that is a function."""
    is_object(value, path)
    assert isinstance(value, dict)
    name = value.get("type")
    if name != "function":
        shown = f'"{short(name)}"' if isinstance(name, str) else kind(name)
        reason = f"only functions are supported by this server, not {shown}"
        raise InvalidRequest(Refusal.TOOL_KIND, reason, path=f"{path}.type")


def tools(data: Mapping[str, Any], extra: Mapping[str, Check], key: str = "") -> dict[str, Any]:
    """The tools of a request, and the choice of them.

    `extra` are the fields that a tool may have beside a function's own. With a `key`, a function
    stands in that field of its tool, and of the choice.
    """
    given = data.get("tools", [])
    a_list(_is_function)(given, "tools")
    made = [_tool(*_function(tool, f"tools.{i}", key), extra) for i, tool in enumerate(given)]
    choice: dict[str, Any] = {"type": "auto"}
    asked = data.get("tool_choice")
    if isinstance(asked, dict):
        _is_function(asked, "tool_choice")
        function, path = _function(asked, "tool_choice", key)
        if function.get("name") not in [tool["name"] for tool in made]:
            raise InvalidRequest(
                Refusal.TOOL_CHOICE,
                "there is no such function among the `tools`",
                path=f"{path}.name",
            )
        choice = {"type": "tool", "name": function["name"]}
    elif asked is not None:
        one_of("auto", "none", "required")(asked, "tool_choice")
        choice = {"type": "any" if asked == "required" else asked}
    if not made:
        if choice["type"] == "any":
            raise InvalidRequest(
                Refusal.TOOL_CHOICE, "there are no `tools` to choose from", path="tool_choice"
            )
        return {}
    if not data.get("parallel_tool_calls", True) and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    return {"tools": made, **({} if choice == {"type": "auto"} else {"tool_choice": choice})}


def _function(value: dict[str, Any], path: str, key: str) -> tuple[dict[str, Any], str]:
    """Where the function is, and the path to it."""
    if not key:
        return value, path
    is_object(value.get(key), f"{path}.{key}")
    return value[key], f"{path}.{key}"


# -- Errors --------------------------------------------------------------------------------------


def _words(data: Mapping[str, Any]) -> dict[str, str]:
    """What a caller has called the parameters of a Messages request."""
    return {
        "metadata.user_id": "safety_identifier" if "safety_identifier" in data else "user",
        "stop_sequences.0": "stop" if isinstance(data.get("stop"), str) else "stop.0",
        "stop_sequences": "stop",
    }


def _in_the_callers_words(
    error: InvalidRequest, origins: Sequence[str], renamed: Mapping[str, str]
) -> InvalidRequest:
    """The error with the path of what the caller has sent, instead of what was made of it.

    `origins`: where each message of the Messages request has come from; `renamed`: see `_words`.
    """
    head, _, rest = error.path.partition(".")
    if head == "messages" and rest.partition(".")[0].isdigit():
        index = int(rest.partition(".")[0])
        path = origins[index] if index < len(origins) else renamed.get(head, head)
    else:
        changed = f"{renamed.get(head, head)}.{rest}".removesuffix(".")
        path = renamed.get(error.path, changed)
    return InvalidRequest(error.refusal, error.reason, path=path)
