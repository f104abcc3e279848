"""Bodies that come compressed, over a socket, to each route that the model answers."""

import gzip
import json
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.real.servers import MODEL, running
from tests.web.bombs import bomb

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.real

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
}
SAYS = [{"role": "user", "content": "hi"}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": MODEL, "messages": SAYS},
    "/v1/responses": {"model": MODEL, "input": "hi"},
    "/v1/messages": {"model": MODEL, "max_tokens": 50, "messages": SAYS},
}


async def test_bodies_are_unpacked_and_what_cannot_be_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as server, httpx.AsyncClient(base_url=server.url) as http:

        async def post(path: str, data: bytes, encoding: str) -> httpx.Response:
            return await http.post(path, content=data, headers={"content-encoding": encoding})

        for path, body in BODIES.items():
            for name, pack in PACKERS.items():
                answer = await post(path, pack(json.dumps(body).encode()), name)
                assert answer.status_code == 200, answer.text
            asked = len(server.asked())
            other = await post(path, b"x", "br")
            assert (other.status_code, other.headers["accept-encoding"]) == (
                415,
                "gzip, deflate, zstd",
            )
            assert "gzip, deflate, zstd" in other.json()["error"]["message"]
            broken = await post(path, b"x", "zstd")
            assert (broken.status_code, broken.json()["error"]["type"]) == (
                400,
                "invalid_request_error",
            )
            assert len(server.asked()) == asked
        for name in ("zstd", "gzip"):
            large = await post("/v1/responses", bomb(name), name)
            assert large.status_code == 413, large.text
        counted = await post("/v1/messages/count_tokens", gzip.compress(b"[]"), "gzip")
        assert "must be a JSON object" in counted.json()["error"]["message"]
        plain = await http.post("/v1/responses", json=BODIES["/v1/responses"])
        assert plain.status_code == 200
