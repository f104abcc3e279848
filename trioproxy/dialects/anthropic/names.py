"""Names that a caller gives: of models, of tools, of beta features.

They are bounded where they are checked, because they go on to logs, statistics and headers, where
a name of a megabyte, or one that moves a terminal's cursor, is none.
"""

import re

from trioproxy.dialects.json_checks import is_word
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

_LONGEST = 256  # characters; for a model it is the API's own limit
_MODEL = re.compile(r"[!-~]+")
_TOOL = re.compile(r"[a-zA-Z0-9_-]{1,128}")  # the API's own rule
_BETA = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MOST_BETAS = 100

DROPPED_BETAS = frozenset({"afk-mode-2026-01-31"})
"""Beta features that the CLI knows as its own, and does not ask for because a caller does."""


def is_name(value: object, path: str) -> None:
    """A name in printable characters: whether there is such a thing, the API judges."""
    is_name_of_any_form(value, path)
    if not str(value).isprintable():
        raise InvalidRequest(
            Refusal.WRONG_VALUE, "must contain only printable characters", path=path
        )


def is_name_of_any_form(value: object, path: str) -> None:
    """The name of a tool that a model has called: models have called whole shell commands."""
    is_word(value, path)
    if len(str(value)) > _LONGEST:
        reason = f"has {len(str(value))} characters; at most {_LONGEST} are allowed"
        raise InvalidRequest(Refusal.TOO_LONG, reason, path=path)


def is_model(value: object, path: str) -> None:
    """A model's name: an id, an ARN, a name of a gateway's, with `[1m]` or without."""
    is_name(value, path)
    if not _MODEL.fullmatch(str(value)) or value == "<synthetic>":  # the CLI's, for what it says
        raise InvalidRequest(Refusal.MODEL_NAME, "not a valid model name", path=path)


def is_tool(value: object, path: str) -> None:
    """The name of a caller's own tool."""
    is_name(value, path)
    if not _TOOL.fullmatch(str(value)):
        raise InvalidRequest(
            Refusal.WRONG_VALUE, "must be 1 to 128 letters, digits, _ and -", path=path
        )


def read_betas(header: str) -> tuple[str, ...]:
    """The names in `anthropic-beta` headers, joined by commas. Raises `InvalidRequest`."""
    names = tuple(dict.fromkeys(name.strip() for name in header.split(",") if name.strip()))
    if len(names) > _MOST_BETAS:
        reason = f"has {len(names)} names; at most {_MOST_BETAS} are allowed"
        raise InvalidRequest(Refusal.TOO_LONG, reason, path="anthropic-beta")
    for name in names:
        if not _BETA.fullmatch(name):
            raise InvalidRequest(
                Refusal.BETA_NAME, "contains an invalid beta name", path="anthropic-beta"
            )
    return names
