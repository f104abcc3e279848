import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.cli.runner import run
from trioproxy.cli.schema import kind_schema, settings_schema
from trioproxy.settings import FIELDS

FILE = Path(__file__).parent.parent.parent / "ccproxy.toml"
SCHEMA = settings_schema()


def is_valid(document: object) -> bool:
    return bool(Draft202012Validator(SCHEMA).is_valid(document))


def test_it_is_a_schema_and_the_one_that_is_printed() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(run("config", "schema").out) == json.loads(json.dumps(SCHEMA))


def test_the_repositorys_file_is_valid() -> None:
    Draft202012Validator(SCHEMA).validate(tomllib.loads(FILE.read_text()))


def test_the_defaults_that_it_names_are_valid() -> None:
    sections = SCHEMA["properties"].items()
    document = {
        name: {key: about["default"] for key, about in section["properties"].items()}
        for name, section in sections
    }
    assert [f"{name}.{key}" for name, keys in document.items() for key in keys] == list(FIELDS)
    Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(document)))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"pool_settings": {"min_size": 0, "boot_timeout": 5}},
        {"claude": {"extra_args": ["--x"], "env": {"A": "b"}, "bare": "never"}},
    ],
)
def test_good(document: object) -> None:
    assert is_valid(document)


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"pool": {}},
        {"pool_settings": 3},
        {"pool_settings": {"mni_size": 3}},
        {"pool_settings": {"min_size": -1}},
        {"pool_settings": {"min_size": 1.5}},
        {"pool_settings": {"min_size": True}},
        {"pool_settings": {"boot_timeout": 0}},
        {"claude": {"bare": "maybe"}},
        {"claude": {"offline": 1}},
        {"claude": {"extra_args": "--x"}},
        {"claude": {"env": {"A": 1}}},
    ],
)
def test_bad(document: object) -> None:
    assert not is_valid(document)


def about(path: str) -> dict[str, Any]:
    section, _, key = path.partition(".")
    found: dict[str, Any] = SCHEMA["properties"][section]["properties"][key]
    return found


def test_what_it_says_of_a_setting() -> None:
    assert about("pool_settings.min_size") == {
        "description": "processes kept running; at most max_size",
        "default": 2,
        "type": "integer",
        "minimum": 0,
    }
    assert about("server.body_timeout")["exclusiveMinimum"] == 0
    assert about("logging.format")["enum"] == ["text", "json"]


def test_a_type_that_is_not_known() -> None:
    with pytest.raises(TypeError, match="bytes"):
        kind_schema(bytes)
