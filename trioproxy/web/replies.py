"""Responses as every route gives them."""

import orjson
from quart_trio.wrappers import TrioResponse


def as_json(body: object, status: int = 200) -> TrioResponse:
    """`body` as a JSON response."""
    return TrioResponse(orjson.dumps(body), status, content_type="application/json")
