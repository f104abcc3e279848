"""The schemas of structured answers and of strict tools, as Claude's API takes them.

OpenAI's API takes limits of numbers, texts and lists, and objects that do not say whether they
have other fields; Claude's refuses the request. As in Anthropic's own packages, such a rule stands
in the description, where the model reads it, and an object has no fields but those that it names.
Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs.
"""

from collections.abc import Mapping
from typing import Any

import orjson

ALTERED = "rules that Claude's API refuses stand in the descriptions of the schema"

_TAKEN = {
    "$defs", "$ref", "additionalProperties", "allOf", "anyOf", "const", "default", "definitions",
    "description", "enum", "items", "pattern", "properties", "required", "title", "type",
}  # fmt: skip
_FORMATS = {
    "date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid",
}  # fmt: skip
_NO_RULES = {"$comment", "$id", "$schema", "strict"}
_OF_SCHEMAS = {"$defs", "definitions", "properties"}
_FEWEST = (0, 1)


def as_taken(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema, as Claude's API takes it. A body is nested 200 times at most."""
    made: dict[str, Any] = {}
    rules: dict[str, Any] = {}
    for name, value in schema.items():
        if _is_taken(name, value):
            made[name] = _within(name, value)
        elif name == "oneOf" and "anyOf" not in schema:  # as near as it gets
            made["anyOf"] = _within("anyOf", value)
        elif name not in _NO_RULES:
            rules[name] = value
    if schema.get("properties"):  # without any, it is an object of whatever fields
        made["additionalProperties"] = False
    if rules:
        listed = ", ".join(f"{name}: {_shown(value)}" for name, value in rules.items())
        about = made.get("description")
        made["description"] = f"{about}\n\n{{{listed}}}" if about else f"{{{listed}}}"
    return made


def _is_taken(name: str, value: object) -> bool:
    match name:
        case "minItems":
            return value in _FEWEST
        case "format":
            return isinstance(value, str) and value in _FORMATS
        case _:
            return name in _TAKEN


def _within(name: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    """The value of a keyword, with the schemas that are in it."""
    match value:
        case dict() if name in _OF_SCHEMAS:
            return {key: _if_schema(inner) for key, inner in value.items()}
        case list() if name in {"allOf", "anyOf"}:
            return [_if_schema(inner) for inner in value]
        case dict() if name == "items":
            return as_taken(value)
        case _:
            return value


def _if_schema(value: Any) -> Any:  # noqa: ANN401 - JSON
    return as_taken(value) if isinstance(value, dict) else value


def _shown(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
