"""What chat completions and responses ask for alike, as parameters of a Messages request."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from trioproxy.dialects.checks import (
    Check,
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
from trioproxy.dialects.images import media_type_of
from trioproxy.errors import InvalidRequest

JSON_ONLY = "Answer with one JSON object, and with nothing else."

_MOST_STOPS = 4
_EFFORTS = {"minimal": "low"}
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w=-]+)*);base64,(.*)", re.DOTALL)


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


def tool_choice(value: object, name: str | None, *, is_parallel: bool) -> dict[str, Any] | None:
    """Claude's choice for `auto`, `none`, `required`, or the function of this name."""
    if name is not None:
        choice: dict[str, Any] = {"type": "tool", "name": name}
    else:
        one_of("auto", "none", "required")(value, "tool_choice")
        choice = {"type": {"required": "any"}.get(str(value), str(value))}
    if not is_parallel and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    return None if choice == {"type": "auto"} else choice


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
    source = {"type": "base64", "media_type": media_type or "application/pdf", "data": data}
    block: dict[str, Any] = {"type": "document", "source": source}
    if isinstance(value.get("filename"), str) and value["filename"]:
        block["title"] = value["filename"]
    return block


def data_of(text: str, path: str, *, is_url: bool = True) -> tuple[str | None, str | None]:
    """The media type and the base64 of a `data:` url; no data if it is another url."""
    found = _DATA_URL.fullmatch(text)
    if found is not None:
        return found[1], found[3]
    if text.startswith("data:"):
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
    assert isinstance(found, dict)
    return found


_RENAMED = {
    "max_tokens": "max_completion_tokens",
    "metadata.user_id": "user",
    "stop_sequences": "stop",
}


def in_the_callers_words(error: InvalidRequest, origins: Sequence[str]) -> InvalidRequest:
    """The error with the path of what the caller has sent, instead of what was made of it.

    `origins`: where each message of the Messages request has come from.
    """
    head, _, rest = error.path.partition(".")
    reason = str(error).removeprefix(f"{error.path}: ")
    if head == "messages" and rest.partition(".")[0].isdigit():
        index = int(rest.partition(".")[0])
        path = origins[index] if index < len(origins) else "messages"
    else:
        renamed = f"{_RENAMED.get(head, head)}.{rest}".removesuffix(".")
        path = _RENAMED.get(error.path, renamed)
    return InvalidRequest(reason, path=path)
