"""The models, from what the CLI says of itself; and from what it might say one day."""

from typing import Any

import pytest

from trioproxy.claude.control import introduction
from trioproxy.claude.models import Model, Models, needs_models, read_models, resolve
from trioproxy.claude.turn import Block, Message, Turn
from trioproxy.errors import InvalidRequest, UnknownModel


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
    "result",
    [
        {},
        {"models": None},
        {"models": 5},
        {"models": {"a": 1}},
        {"models": [None, 1, {}, {"value": 1}, {"resolvedModel": []}]},
    ],
)
def test_what_is_not_understood_is_no_model(result: dict[str, Any]) -> None:
    assert read_models(result) == Models()


@pytest.mark.parametrize("result", [TOLD, {}, None, [], 5])
def test_an_introduction_is_whatever_the_process_answers(result: object) -> None:
    initialized = introduction(binds=True)
    initialized.receive([{"type": "system"}, {"type": "control_response", "response": 1}])
    assert not initialized.is_answered
    response = {"subtype": "success", "request_id": "introduction", "response": result}
    initialized.receive([{"type": "control_response", "response": response}])
    assert initialized.answer == (result if isinstance(result, dict) else {})


# -- Which one a turn means ----------------------------------------------------------------------

LIST = Models((Model("claude-haiku-5-5", "Claude Haiku 5.5", ("haiku",)),))
NAMES = {"gpt-4o": "haiku", "gpt-*": "claude-opus-9"}
THOUGHTS: Block = {"type": "thinking", "thinking": "hm", "signature": "s"}


def turn(model: str, *blocks: Block) -> Turn:
    return Turn(model, 10, (Message("assistant", blocks),), "")


@pytest.mark.parametrize(
    ("model", "meant"),
    [
        ("haiku", "claude-haiku-5-5"),
        ("HAIKU[1m]", "claude-haiku-5-5[1m]"),
        ("claude-haiku-5-5", "claude-haiku-5-5"),
        ("claude-of-tomorrow", "claude-of-tomorrow"),
        ("a-gateways", "a-gateways"),
    ],
)
def test_resolve_has_the_id_where_it_is_listed(model: str, meant: str) -> None:
    assert resolve(turn(model), LIST).model == meant


def test_resolve_refuses_an_unlisted_name_where_others_are_offered_and_names_all() -> None:
    known = r"Known are: claude-haiku-5-5, gpt-\*, gpt-4o\."
    with pytest.raises(UnknownModel, match=known):
        resolve(turn("llama"), LIST, NAMES)
    assert resolve(turn("claude-of-tomorrow"), LIST, NAMES).model == "claude-of-tomorrow"
    assert resolve(turn("haiku"), LIST, NAMES).model == "claude-haiku-5-5"


def test_resolve_refuses_thoughts_of_a_model_without_an_id() -> None:
    with pytest.raises(InvalidRequest, match=r"^model: thoughts in the conversation need"):
        resolve(turn("a-gateways", THOUGHTS), LIST)
    assert resolve(turn("claude-x", THOUGHTS), LIST).model == "claude-x"


@pytest.mark.parametrize(
    ("a_turn", "offered", "needed"),
    [
        (turn("haiku"), None, False),
        (turn("haiku", THOUGHTS), None, True),
        (turn("haiku"), NAMES, True),
        (turn("claude-x"), NAMES, False),
        (turn("claude-x", THOUGHTS), NAMES, True),
    ],
)
def test_needs_models_only_where_the_list_decides(
    a_turn: Turn, offered: dict[str, str] | None, *, needed: bool
) -> None:
    assert needs_models(a_turn, offered) is needed
