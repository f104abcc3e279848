"""Whose names are whose: OpenAI's names of models, as an operator maps them, and Claude's own."""

from collections.abc import Mapping
from typing import Any

from trioproxy.claude.models import Model, Models


def mapped_name(name: str, mapped: Mapping[str, str]) -> str | None:
    """The Claude model that the operator has `name` stand for; None if there is none.

    `mapped` is `[openai] models`; a name in it may end with `*`, and the longest match wins.
    """
    fitting = [pattern for pattern in mapped if _fits(name, pattern)]
    if not fitting:
        return None
    return mapped[max(fitting, key=lambda pattern: (not pattern.endswith("*"), len(pattern)))]


def is_mapped(name: str, mapped: Mapping[str, str]) -> bool:
    """Whether `[openai] models` maps this name."""
    return any(_fits(name, item) for item in mapped)


def _fits(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def model_body(model: Model) -> dict[str, Any]:
    """One model, as OpenAI describes it. When it came out is not known here."""
    return {"id": model.id, "object": "model", "created": 0, "owned_by": "anthropic"}


def models_body(models: Models, mapped: Mapping[str, str]) -> dict[str, Any]:
    """All the models: Claude's, and the names that are mapped to them."""
    names = [Model(name, name) for name in mapped if not name.endswith("*")]
    return {"object": "list", "data": [model_body(item) for item in (*models.listed, *names)]}
