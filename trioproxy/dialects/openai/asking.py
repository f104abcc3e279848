"""What chat completions and responses ask for alike, as parameters of a Messages request."""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from trioproxy.dialects.checks import (
    Check,
    a_list,
    an_object,
    is_deep,
    is_flag,
    is_object,
    is_string,
    is_word,
    kind,
    nullable,
    one_of,
    short,
)
from trioproxy.dialects.images import media_type_of
from trioproxy.errors import InvalidRequest

JSON_ONLY = "Answer with one JSON object, and with nothing else."

_MOST_STOPS = 4
_DEPTH = 200
_EFFORTS = {"minimal": "low"}
_DATA_URL = re.compile(
    r"data:([\w.+-]+/[\w.+-]+)?((?:;[^;,]*)*?);base64,(.*)", re.DOTALL | re.IGNORECASE
)


def temperature(value: float) -> tuple[float, tuple[str, ...]]:
    """Claude's temperature, and a note if that is not the one that was asked for.

    Up to 1, which leaves the model's probabilities as they are, the two scales say the same.
    """
    if value <= 1:
        return value, ()
    return 1, (f"temperature: {value:g} taken as 1, the highest that Claude has",)


def stop_sequences(value: object, path: str) -> list[str]:
    """A string, or a list of up to four."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list):
        raise InvalidRequest(f"must be a string or a list, not {kind(value)}", path=path)
    if len(listed) > _MOST_STOPS:
        raise InvalidRequest(f"has {len(listed)} strings; {_MOST_STOPS} are taken", path=path)
    return listed


def effort(value: str) -> dict[str, Any]:
    """How hard to think: Claude's effort, or no thinking at all."""
    if value == "none":
        return {"thinking": {"type": "disabled"}}
    return {"output_config": {"effort": _EFFORTS.get(value, value)}}


_FUNCTION: Mapping[str, Check] = {
    "name": is_word,
    "description": nullable(is_string),
    "parameters": nullable(is_object),
    "strict": nullable(is_flag),
}


def function_tool(
    value: Mapping[str, Any], path: str, extra: Mapping[str, Check]
) -> dict[str, Any]:
    """A function as a tool; `extra` are the fields that may stand beside its own."""
    an_object({**_FUNCTION, **extra}, required={"name"})(value, path)
    schema = value.get("parameters") or {"type": "object", "properties": {}}
    tool: dict[str, Any] = {"name": value["name"], "input_schema": schema}
    if value.get("description"):
        tool["description"] = value["description"]
    if value.get("strict"):
        tool["strict"] = True
    return tool


def is_function(value: object, path: str) -> None:
    """A tool, or a choice of one, that is a function."""
    is_object(value, path)
    assert isinstance(value, dict)
    name = value.get("type")
    if name != "function":
        shown = f'"{short(name)}"' if isinstance(name, str) else kind(name)
        reason = f"only functions are supported by this server, not {shown}"
        raise InvalidRequest(reason, path=f"{path}.type")


def tools(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tools of a request, all of them functions."""
    found = data.get("tools", [])
    a_list(is_function)(found, "tools")
    assert isinstance(found, list)
    return found


def chosen(
    made: list[dict[str, Any]], given: object, name: str | None, path: str, data: Mapping[str, Any]
) -> dict[str, Any]:
    """The parameters for `made` tools and Claude's choice of them.

    `given`: `auto`, `none` or `required`; or the function of this `name`, which stands at `path`.
    """
    if name is None:
        nullable(one_of("auto", "none", "required"))(given, "tool_choice")
        choice: dict[str, Any] = {"type": "any" if given == "required" else given or "auto"}
    elif name in [tool["name"] for tool in made]:
        choice = {"type": "tool", "name": name}
    else:
        raise InvalidRequest("there is no such function among the `tools`", path=path)
    if not made:
        if choice["type"] == "any":
            raise InvalidRequest("there are no `tools` to choose from", path="tool_choice")
        return {}
    if not data.get("parallel_tool_calls", True) and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    return (
        {"tools": made} if choice == {"type": "auto"} else {"tools": made, "tool_choice": choice}
    )


_SCHEMA_FORMAT = {
    "name": is_word,
    "schema": is_object,
    "description": nullable(is_string),
    "strict": nullable(is_flag),
}


def json_schema(value: object, path: str, extra: Mapping[str, Check]) -> dict[str, Any]:
    """Claude's format of structured output."""
    an_object({**_SCHEMA_FORMAT, **extra}, required={"name", "schema"})(value, path)
    assert isinstance(value, dict)
    return {"format": {"type": "json_schema", "schema": value["schema"]}}


def image_block(url: object, path: str) -> dict[str, Any]:
    """An image by its url, or from a `data:` url."""
    is_word(url, path)
    media_type, data = data_of(str(url), path)
    if data is None:
        return {"type": "image", "source": {"type": "url", "url": url}}
    # What a `data:` url says of its data is often not quite so, as in image/jpg.
    source = {"type": "base64", "media_type": media_type_of(data) or media_type, "data": data}
    return {"type": "image", "source": source}


def file_block(value: Mapping[str, Any], path: str) -> dict[str, Any]:
    """A file that comes with the request, as a document."""
    if value.get("file_id") is not None:
        reason = "there are no stored files here: send `file_data`"
        raise InvalidRequest(reason, path=f"{path}.file_id")
    if value.get("file_url") is not None:
        is_word(value["file_url"], f"{path}.file_url")
        return {"type": "document", "source": {"type": "url", "url": value["file_url"]}}
    is_word(value.get("file_data"), f"{path}.file_data")
    media_type, data = data_of(value["file_data"], f"{path}.file_data", is_url=False)
    if media_type is not None and media_type.startswith("text/"):
        return _titled(_text_source(data, f"{path}.file_data"), value)
    source = {"type": "base64", "media_type": media_type or "application/pdf", "data": data}
    return _titled(source, value)


def _titled(source: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    name = value.get("filename")
    title = {"title": name} if isinstance(name, str) and name else {}
    return {"type": "document", "source": source, **title}


def _text_source(data: str | None, path: str) -> dict[str, Any]:
    try:
        text = base64.b64decode(data or "").decode()
    except ValueError:
        raise InvalidRequest("is no text in UTF-8 and base64", path=path) from None
    return {"type": "text", "media_type": "text/plain", "data": text}


def data_of(text: str, path: str, *, is_url: bool = True) -> tuple[str | None, str | None]:
    """The media type and the base64 of a `data:` url; no data if it is another url."""
    found = _DATA_URL.fullmatch(text)
    if found is not None:
        return found[1], found[3]
    if text[:5].lower() == "data:":
        raise InvalidRequest("must be a data: url with base64", path=path)
    return (None, None) if is_url else (None, text)


def arguments(value: object, path: str) -> dict[str, Any]:
    """The arguments of a call: JSON in a string, as the model wrote it."""
    is_string(value, path)
    try:
        found = orjson.loads(str(value) or "{}")
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"is not JSON: {error}", path=path) from None
    is_object(found, path)
    if is_deep(found, _DEPTH):
        raise InvalidRequest(f"is nested more than {_DEPTH} times", path=path)
    assert isinstance(found, dict)
    return found


def words(data: Mapping[str, Any]) -> dict[str, str]:
    """What a caller has called the parameters of a Messages request."""
    return {
        "metadata.user_id": "safety_identifier" if "safety_identifier" in data else "user",
        "stop_sequences.0": "stop" if isinstance(data.get("stop"), str) else "stop.0",
        "stop_sequences": "stop",
    }


def in_the_callers_words(
    error: InvalidRequest, origins: Sequence[str], renamed: Mapping[str, str]
) -> InvalidRequest:
    """The error with the path of what the caller has sent, instead of what was made of it.

    `origins`: where each message of the Messages request has come from; `renamed`: see `words`.
    """
    head, _, rest = error.path.partition(".")
    reason = str(error).removeprefix(f"{error.path}: ")
    if head == "messages" and rest.partition(".")[0].isdigit():
        index = int(rest.partition(".")[0])
        path = origins[index] if index < len(origins) else renamed.get(head, head)
    else:
        changed = f"{renamed.get(head, head)}.{rest}".removesuffix(".")
        path = renamed.get(error.path, changed)
    return InvalidRequest(reason, path=path)
