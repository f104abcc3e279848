"""A server of one process, as `trioproxy serve` opens it, and one question to it."""

from collections.abc import Mapping
from typing import Any

import trio
from attrs import evolve

from trioproxy import startup_error
from trioproxy.cli.asgi import post
from trioproxy.cli.checks import Answered, NoAnswer
from trioproxy.errors import TrioproxyError
from trioproxy.server import open_server
from trioproxy.settings import SECTIONS, Settings, SettingsError

_QUESTION = "Answer with one word: ready"
_TO_STANDIN = f'{_QUESTION} [[standin text="ready"]]'
_MAX_TOKENS = 20

_Expected = (SettingsError, TrioproxyError, OSError)


async def answered_within(
    deadline: float, settings: Settings, environ: Mapping[str, str], model: str
) -> Answered | NoAnswer:
    """What comes of the question; `deadline`: seconds for everything."""
    problems: list[str] = []
    with trio.move_on_after(deadline):
        try:
            return await _ask(_small(settings), environ, model)
        except* _Expected as group:
            problems += startup_error.reasons(group)
    return NoAnswer(tuple(problems or [f"no answer within {deadline:.0f} s"]))


async def _ask(settings: Settings, environ: Mapping[str, str], model: str) -> Answered:
    text = _TO_STANDIN if settings.claude.offline else _QUESTION
    began = trio.current_time()
    async with open_server(settings, environ) as server:
        ready = trio.current_time()
        response = await post(server.web, "/v1/messages", _body(model, text))
        ended = trio.current_time()
    return Answered(response.status, response.body, ready - began, ended - ready)


def _body(model: str, text: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"model": model, "max_tokens": _MAX_TOKENS, "messages": messages}


def _small(settings: Settings) -> Settings:
    """The settings for one process, without tokens: of a hashed one, the token is unknown."""
    first = evolve(settings.pool_settings, min_size=1, max_size=1)
    open_to_all = {name: kind() for name, kind in SECTIONS.items() if name == "auth"}
    return evolve(settings, pool_settings=first, **open_to_all)
