"""The models, from what the CLI says of itself; and from what it might say one day."""

from typing import Any

import pytest

from trioproxy.claude.models import Model, Models, read_models
from trioproxy.claude.session import InitializeProbe


def entry(value: str, resolved: str, **fields: Any) -> dict[str, Any]:
    return {"value": value, "resolvedModel": resolved, "displayName": value.title(), **fields}


TOLD = {
    "models": [
        entry("default", "claude-opus-9", description="Use the default (now Opus 9) · $4"),
        entry("opus", "claude-opus-9", description="Opus 9 · Best"),
        entry("opus[1m]", "claude-opus-9[1m]", description="Opus 9 · Long"),
        entry("haiku", "claude-haiku-9", description="quick"),
        entry("claude-old-1", "claude-old-1"),
    ]
}


def test_each_model_once_with_its_names() -> None:
    assert read_models(TOLD).listed == (
        Model("claude-opus-9", "Claude Opus 9", ("default", "opus", "opus[1m]")),
        Model("claude-haiku-9", "Claude Haiku", ("haiku",)),
        Model("claude-old-1", "Claude Claude-Old-1"),
    )


@pytest.mark.parametrize("name", ["opus", "OPUS", " opus ", "opus[1m]", "claude-opus-9[1m]"])
def test_a_name_in_any_form(name: str) -> None:
    found = read_models(TOLD).find(name)
    assert found is not None
    assert found.id == "claude-opus-9"


def test_an_unknown_name() -> None:
    assert read_models(TOLD).find("claude-opus") is None
    assert Models().find("opus") is None


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"models": None},
        {"models": 5},
        {"models": {"a": 1}},
        {"models": [None, 1, {}, {"value": 1}, {"resolvedModel": []}]},
    ],
)
def test_what_is_not_understood_is_no_model(told: dict[str, Any]) -> None:
    assert read_models(told) == Models()


@pytest.mark.parametrize("told", [TOLD, {}, None, [], 5])
def test_an_introduction_is_whatever_the_process_answers(told: object) -> None:
    initialized = InitializeProbe()
    initialized.receive([{"type": "system"}, {"type": "control_response", "response": 1}])
    assert initialized.answer is None
    response = {"subtype": "success", "request_id": "introduction", "response": told}
    initialized.receive([{"type": "control_response", "response": response}])
    assert initialized.answer == (told if isinstance(told, dict) else {})
