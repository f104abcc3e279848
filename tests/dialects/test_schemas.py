"""Schemas of structured answers and strict tools, as Claude's API takes them."""

import copy
from typing import Any

import pytest
from anthropic import transform_schema

from tests.dialects.openai_requests import chat, response
from trioproxy.dialects.openai.schemas import ALTERED, as_taken

AGE = {"type": "integer", "minimum": 0, "maximum": 150, "description": "Years."}
NAME = {"type": "string", "minLength": 1}
PERSON = {"type": "object", "properties": {"age": AGE, "name": NAME}, "required": ["age"]}
CLOSED = {
    "type": "object",
    "properties": {"city": {"type": ["string", "null"], "default": "Bern", "pattern": "^B"}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "schema",
    [
        AGE,
        NAME,
        PERSON,
        {"type": "string", "format": "uuid"},
        {"type": "string", "format": "colour"},
        {"type": "array", "items": PERSON, "minItems": 1, "maxItems": 3},
        {"type": "array", "items": {"type": "number", "multipleOf": 0.5}, "minItems": 2},
        {"oneOf": [NAME, AGE], "title": "Either"},
        {"anyOf": [PERSON, {"type": "null"}]},
        {"allOf": [PERSON]},
        {"enum": ["a", "b"]},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": PERSON}},
        {"type": "object", "properties": {"minimum": AGE}, "additionalProperties": True},
    ],
)
def test_it_is_what_anthropics_own_package_makes_of_it(schema: dict[str, Any]) -> None:
    before = copy.deepcopy(schema)
    assert as_taken(schema) == transform_schema(copy.deepcopy(schema))
    assert schema == before
    assert as_taken(as_taken(schema)) == as_taken(schema)


@pytest.mark.parametrize(
    "schema",
    [CLOSED, {"type": "object"}, {"type": "object", "additionalProperties": {"type": "string"}}],
)
def test_what_is_taken_or_would_mean_something_else_stays(schema: dict[str, Any]) -> None:
    assert as_taken(schema) == schema


def test_words_that_are_no_rules_are_left_out() -> None:
    draft = "http://json-schema.org/draft-07/schema#"
    assert as_taken({**CLOSED, "$schema": draft, "strict": True}) == CLOSED


@pytest.mark.parametrize("odd", [None, 1, "x", [], {}, [1], True])
@pytest.mark.parametrize(
    "name",
    ["properties", "items", "anyOf", "oneOf", "$defs", "type", "format", "minItems", "minimum"],
)
def test_any_value_of_a_keyword_is_the_apis_to_judge(name: str, odd: object) -> None:
    assert isinstance(as_taken({name: odd}), dict)


def test_a_structured_answer_says_that_it_was_altered() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "p", "schema": PERSON}}
    asked = chat(response_format=form).messages
    schema = asked.turn.parameters["output_config"]["format"]["schema"]
    assert schema["properties"]["age"]["description"] == "Years.\n\n{minimum: 0, maximum: 150}"
    assert asked.notes == (f"response_format.json_schema.schema: {ALTERED}",)
    form = {"type": "json_schema", "name": "p", "schema": PERSON}
    assert response(text={"format": form}).messages.notes == (f"text.format.schema: {ALTERED}",)
    form = {"type": "json_schema", "name": "p", "schema": CLOSED}
    assert response(text={"format": form}).messages.notes == ()


def test_so_does_a_strict_tool_and_others_stay() -> None:
    tool = {"type": "function", "name": "f", "parameters": PERSON}
    asked = response(tools=[{**tool, "strict": True}, {**tool, "name": "g"}]).messages
    strict, plain = asked.turn.parameters["tools"]
    assert strict == {"name": "f", "strict": True, "input_schema": as_taken(PERSON)}
    assert plain["input_schema"] == PERSON
    assert asked.notes == (f"tools.0: {ALTERED}",)
