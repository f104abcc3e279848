"""The stand-in as an ASGI application: which path is answered by what.

| request | answer |
|---|---|
| `POST /v1/messages` | a message, whole or streamed |
| `POST /v1/messages/count_tokens` | its words |
| `GET /v1/models` | one model; any other name is as good |
| `GET /` | `{"standin": true}` |
| `GET /standin/requests?since=N` | what was recorded, after number N |
| `DELETE /standin/requests` | forgets it |
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

import attrs
import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope
from trio_util import AsyncValue

from trioproxy.standin.answers import Plan, plan
from trioproxy.standin.asgi import Request, read_request, run_lifespan, send_json
from trioproxy.standin.bodies import COUNTED, check_body, count_tokens
from trioproxy.standin.cache import PromptCache
from trioproxy.standin.delivery import deliver
from trioproxy.standin.errors import ApiError, request_id
from trioproxy.standin.pace import Pace
from trioproxy.standin.record import Record
from trioproxy.standin.script import Script, play

MODEL = {
    "type": "model",
    "id": "claude-standin",
    "display_name": "Claude's offline stand-in",
    "created_at": "2024-01-01T00:00:00Z",
    "lifecycle": "active",
}


@attrs.define
class StandIn:
    """The API, offline. Its pace may change at any time, for the requests to come."""

    pace: Pace = attrs.field(factory=Pace)
    record: Record = attrs.field(factory=Record)
    cache: PromptCache = attrs.field(factory=PromptCache)
    failures: deque[ApiError] = attrs.field(factory=deque)
    """What the next requests for a message are answered with, whatever they ask."""
    script: Script | None = None
    """A model that is played; what it leaves open is answered as usual."""
    _streams: AsyncValue[int] = attrs.field(factory=lambda: AsyncValue(0), init=False, repr=False)
    """Answers to `POST /v1/messages` that are being given now, whole ones included."""

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Plan as ASGI has it."""
        if scope["type"] == "lifespan":
            await run_lifespan(receive, send)
        elif scope["type"] == "http":
            await self._exchange(scope, receive, send)
        else:
            raise NotImplementedError(scope["type"])

    async def wait_idle(self) -> None:
        """Wait until no answer is being given."""
        await self._streams.wait_value(0)

    @property
    def open_streams(self) -> int:
        """How many answers are being given."""
        count: int = self._streams.value
        return count

    async def _exchange(
        self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        request = await read_request(scope, receive)
        if request is None:
            return
        number = self._recorded(request)
        headers = {"request-id": request_id(number)}
        try:
            reply = self._reply(request, number)
            if isinstance(reply, Plan):
                with self._open_stream():
                    await deliver(reply, receive, send)
            else:
                await send_json(send, 200, reply, headers)
        except ApiError as error:
            await send_json(send, error.status, error.body(number), headers)

    def _recorded(self, request: Request) -> int:
        """The number of the request, now recorded; 0 for one about the record itself."""
        if request.path.startswith("/standin/"):
            return 0
        recorded = self.record.add(
            request.method,
            request.path,
            query=request.query,
            headers=request.headers,
            body=_json_or_none(request),
        )
        return recorded.number

    def _reply(self, request: Request, number: int) -> Plan | dict[str, Any]:
        """What to answer, decided at once; giving it may take time."""
        match request.method, request.path:
            case "POST", "/v1/messages":
                if self.failures:
                    raise self.failures.popleft()
                return self._answer(request.json, number)
            case "POST", "/v1/messages/count_tokens":
                return {"input_tokens": count_tokens(check_body(request.json, COUNTED))}
            case "GET", "/v1/models":
                first = MODEL["id"]
                return {"data": [MODEL], "has_more": False, "first_id": first, "last_id": first}
            case "GET" | "HEAD", "/":
                return {"standin": True}
            case "GET", "/standin/requests":
                since = self.record.since(_since(request))
                return {"requests": [attrs.asdict(item, recurse=False) for item in since]}
            case "DELETE", "/standin/requests":
                self.record.clear()
                return {"requests": []}
            case method, path:
                raise ApiError(404, f"Not found: {method} {path}")

    def _answer(self, body: object, number: int) -> Plan:
        turn = None if self.script is None else self.script(check_body(body))
        if turn is None:
            planned = plan(body, number=number, pace=self.pace)
        else:
            planned = play(turn, body, number=number, pace=self.pace)
        if planned.refusal is not None:
            return planned
        counted = self.cache.usage(check_body(body), trio.current_time())
        return attrs.evolve(planned, usage={**counted, **planned.usage})

    @contextmanager
    def _open_stream(self) -> Iterator[None]:
        self._streams.value += 1
        try:
            yield
        finally:
            self._streams.value -= 1


def _json_or_none(request: Request) -> object:
    try:
        return request.json
    except ApiError:
        return None


def _since(request: Request) -> int:
    since = parse_qs(request.query).get("since", ["0"])[-1]
    try:
        return int(since)
    except ValueError:
        raise ApiError(400, f"since: {since!r} is no number") from None
