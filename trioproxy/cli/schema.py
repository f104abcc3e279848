"""A JSON schema of the settings' file, made of the settings themselves."""

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

import attrs

from trioproxy.cli.render import plain
from trioproxy.settings import SECTIONS

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def settings_schema() -> Schema:
    """What a settings' file may have."""
    sections = {name: _section(kind) for name, kind in SECTIONS.items()}
    about = {"$schema": DIALECT, "title": "The settings of trioproxy: ccproxy.toml"}
    return about | _table(sections)


def _section(kind: type) -> Schema:
    keys = {field.name: _setting(field) for field in attrs.fields(kind)}
    return {"description": kind.__doc__} | _table(keys)


def _table(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def _setting(field: "attrs.Attribute[Any]") -> Schema:
    about = {"description": _description(field.metadata), "default": plain(field.default)}
    return about | kind_schema(field.type) | _bounds(field.metadata)


def _description(rules: Mapping[str, Any]) -> str:
    """The setting's meaning, with what a schema has no words for."""
    limit = f"; at most {rules['up_to']}" if "up_to" in rules else ""
    return f"{rules['doc']}{limit}"


def _bounds(rules: Mapping[str, Any]) -> Schema:
    words = {"at_least": "minimum", "above": "exclusiveMinimum"}
    return {word: rules[rule] for rule, word in words.items() if rule in rules}


def kind_schema(kind: object) -> Schema:
    """What values of a type are. TypeError for a type that no setting has had so far."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": kind_schema(arguments[0])}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": kind_schema(arguments[1])}
    for known, name in _NAMES.items():
        if kind is known:
            return {"type": name}
    raise TypeError(f"a JSON schema of {kind} is not known")
