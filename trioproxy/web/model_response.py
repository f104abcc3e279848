"""The response to a request that the model answers: made while the model still thinks.

Its head waits for the first event: until then, an error still has a status of its own, and then
head and event go in one write. Waiting here, and not in the view, leaves Quart's work on a
response to the time in which the model thinks (a first byte 2.7 ms after the CLI's, not 3.4).
"""

import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import aclosing, contextmanager

import trio
from quart.utils import encode_headers
from quart_trio.asgi import TrioASGIHTTPConnection
from quart_trio.wrappers import TrioResponse

from trioproxy.asgi_server.asgi import Send
from trioproxy.dialects import sse
from trioproxy.dialects.renderer import Renderer
from trioproxy.dialects.whole_message import WholeAnswer
from trioproxy.errors import CliFailed
from trioproxy.pool.job import Batch, Lease
from trioproxy.settings import ServerSettings
from trioproxy.web import error_handlers
from trioproxy.web.gate.context import RequestContext, current_context
from trioproxy.web.observe.registry import RequestRecord

logger = logging.getLogger("trioproxy.web")

NextBatch = Callable[[], Awaitable[Batch | None]]


@contextmanager
def recording(lease: Lease, record: RequestRecord) -> Generator[NextBatch]:
    """What receives a lease's events, and records what they have used.

    Of an answer that breaks off, what was not received is recorded on leaving.
    """

    async def receive() -> Batch | None:
        batch = await lease.receive()
        record.record_usage(batch or ())
        return batch

    try:
        yield receive
    finally:
        record.record_usage(lease.buffered())


class ModelResponse(TrioResponse):
    """A lease, and the renderer of its events. `ModelConnection` sends it.

    `is_stream`: as events, else as one JSON body.
    """

    def __init__(
        self,
        lease: Lease,
        receive: NextBatch,
        renderer: Renderer,
        server: ServerSettings,
        *,
        is_stream: bool,
    ) -> None:
        super().__init__(content_type=sse.CONTENT_TYPE if is_stream else "application/json")
        self.timeout = None  # Quart would cut it after a minute, and say nothing
        if is_stream:
            self.headers["cache-control"] = "no-cache"
        self._lease = lease
        self._receive = receive
        self._renderer = renderer
        self._is_stream = is_stream
        self._server = server

    async def send(self, context: RequestContext) -> None:
        """Send it, to its last byte; or an error in its place, if it does not begin."""
        chunks = self._stream(context) if self._is_stream else self._whole()
        async with aclosing(chunks):
            try:
                first = await anext(chunks)
            except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets it
                await context.response.refuse(error_handlers.noted(error, context.record))
                return
            self.headers.pop("content-length", None)
            headers = encode_headers(self.headers)
            if self._is_stream:
                context.response.renderer = self._renderer
            else:
                headers.append((b"content-length", b"%d" % len(first)))
            await context.response.start(self.status_code, headers, first)
            async for chunk in chunks:
                message = {"type": "http.response.body", "body": chunk, "more_body": True}
                await context.response.send(message)
            await context.response.send({"type": "http.response.body", "body": b""})

    async def _whole(self) -> AsyncGenerator[bytes]:
        whole = WholeAnswer()
        while (batch := await self._receive()) is not None:
            for event in batch:
                whole.add(event)
        self._release()
        yield self._renderer.whole(whole)

    async def _stream(self, context: RequestContext) -> AsyncGenerator[bytes]:
        has_begun = False
        deadline = trio.current_time() + (self._server.status_timeout or math.inf)
        try:
            while True:
                batch: Batch | None = ()
                with trio.move_on_at(deadline):
                    batch = await self._receive()
                if batch is None:
                    break
                # Events that become no bytes, such as hidden thoughts, put no ping off.
                if chunk := self._renderer.events(batch) if batch else self._renderer.ping():
                    has_begun = True
                    yield chunk
                    deadline = trio.current_time() + self._server.ping_interval
            if not has_begun:
                raise CliFailed("The answer ended before it began.")
            self._release()
            if chunk := self._renderer.end():
                yield chunk
        except Exception as error:
            if not has_begun:
                raise
            known = error_handlers.noted(error, context.record, has_begun=True)
            yield self._renderer.failed(known, context.request_id)

    def _release(self) -> None:
        worker = self._lease.worker_id
        logger.debug("[API] Releasing Claude client connection %s back to pool", worker)
        self._lease.release()


class ModelConnection(TrioASGIHTTPConnection):
    """Quart's own, for responses that are a model's too."""

    async def _send_response(self, send: Send, response: object) -> None:  # type: ignore[override]
        if isinstance(response, ModelResponse):
            await response.send(current_context(self.scope))
        else:
            await super()._send_response(send, response)  # type: ignore[arg-type]
