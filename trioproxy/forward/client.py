"""The HTTP client of this server: one, pooled, for as long as the server lives."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import httpx
from attrs import frozen

from trioproxy.errors import UpstreamFailed, UpstreamTimeout

_VERSION = "2023-06-01"


@frozen
class Reply:
    """What the API has answered."""

    status: int
    body: bytes
    content_type: str


class ApiClient:
    """Speaks to the Anthropic API, with the operator's key. `open_api_client` makes it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Ask once. Raises `UpstreamFailed` or `UpstreamTimeout` when there is no answer."""
        try:
            response = await self._client.post(path, content=body, headers=dict(headers))
        except httpx.TimeoutException:
            limit = self._client.timeout.read
            raise UpstreamTimeout(f"The API did not answer within {limit:g} s.") from None
        except httpx.HTTPError as error:
            reason = f"The API at {self._client.base_url.host} could not be reached: {error}"
            raise UpstreamFailed(reason) from error
        kind = response.headers.get("content-type", "application/json")
        return Reply(response.status_code, response.content, kind)


@asynccontextmanager
async def open_api_client(
    base_url: str, api_key: str, timeout: float
) -> AsyncGenerator[ApiClient]:  # noqa: ASYNC109 - httpx's own
    """A client of the API at `base_url`; `timeout`: seconds for each step of an exchange."""
    headers = {
        "x-api-key": api_key,
        "anthropic-version": _VERSION,
        "content-type": "application/json",
    }
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=timeout) as client:
        yield ApiClient(client)
