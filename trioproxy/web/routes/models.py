"""`GET /v1/models` and `GET /v1/models/{id}`: the models that the CLI offers, in both dialects."""

from collections.abc import Mapping
from typing import Any, cast

from quart import request
from quart_trio.wrappers import TrioResponse

from trioproxy.claude.models import Model
from trioproxy.dialects.anthropic.models import model_body, models_body
from trioproxy.dialects.json_checks import short
from trioproxy.dialects.openai import models as openai
from trioproxy.errors import InvalidRequest, UnknownModel
from trioproxy.pool.pool import Pool
from trioproxy.refusals import Refusal
from trioproxy.web.dialect import is_openai
from trioproxy.web.responses import as_json
from trioproxy.web.routes.views import Views

_MOST = 1000
_DIGITS = 9
_USUAL = 20
_QUERY = {"limit", "after_id", "before_id", "beta"}


def views(pool: Pool, mapped: Mapping[str, str]) -> Views:
    """The views. `mapped`: OpenAI's model names, and Claude's for them."""

    async def models() -> TrioResponse:
        if _is_openai():
            return as_json(openai.models_body(await pool.models.wait_models(), mapped))
        query: dict[str, Any] = request.args.to_dict()
        for name in query:
            if name not in _QUERY:
                raise InvalidRequest(Refusal.QUERY, "no such query parameter", unknown=short(name))
        limit = _limit(query.get("limit"))
        found = await pool.models.wait_models()
        body = models_body(
            found, limit, after=query.get("after_id"), before=query.get("before_id")
        )
        return as_json(body)

    async def model(name: str) -> TrioResponse:
        known = await pool.models.wait_models()
        if _is_openai() and openai.is_mapped(name, mapped):
            return as_json(openai.model_body(Model(name, name)))
        found = known.find(name)
        if found is None:
            raise UnknownModel(f"model: {short(name)}")
        return as_json(openai.model_body(found) if _is_openai() else model_body(found))

    return {"models": models, "model": model}


def _is_openai() -> bool:
    scope = cast(dict[str, Any], request.scope)
    return is_openai(scope["path"], scope["headers"])


def _limit(given: str | None) -> int:
    if given is None:
        return _USUAL
    if (
        not (given.isascii() and given.isdigit() and len(given) < _DIGITS)
        or not 1 <= int(given) <= _MOST
    ):
        raise InvalidRequest(Refusal.QUERY, f"must be 1 to {_MOST}", path="limit")
    return int(given)
