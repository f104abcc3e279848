"""`GET /v1/models` and `GET /v1/models/{id}`: the models that the CLI offers."""

from typing import Any

from quart import request
from quart_trio import QuartTrio
from quart_trio.wrappers import TrioResponse

from trioproxy.dialects.anthropic import model_body, models_body
from trioproxy.errors import InvalidRequest, UnknownModel
from trioproxy.pool.pool import Pool
from trioproxy.web.replies import as_json

_MOST = 1000
_USUAL = 20
_QUERY = {"limit", "after_id", "before_id", "beta"}


def install(app: QuartTrio, pool: Pool) -> None:
    """Add the routes."""

    @app.get("/v1/models")
    async def models() -> TrioResponse:
        query: dict[str, Any] = request.args.to_dict()
        for name in query:
            if name not in _QUERY:
                raise InvalidRequest("no such query parameter", path=name)
        limit = _limit(query.get("limit"))
        found = await pool.models.wait_models()
        body = models_body(
            found, limit, after=query.get("after_id"), before=query.get("before_id")
        )
        return as_json(body)

    @app.get("/v1/models/<name>")
    async def model(name: str) -> TrioResponse:
        found = (await pool.models.wait_models()).find(name)
        if found is None:
            raise UnknownModel(f"model: {name}")
        return as_json(model_body(found))


def _limit(given: str | None) -> int:
    if given is None:
        return _USUAL
    if not (given.isascii() and given.isdigit()) or not 1 <= int(given[:5]) <= _MOST:
        raise InvalidRequest(f"must be 1 to {_MOST}", path="limit")
    return int(given)
