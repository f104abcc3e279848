"""A request that the model answers, in any dialect: read, and submitted to the pool."""

import logging
from collections.abc import Callable
from typing import TypeVar

import trio
from attrs import evolve
from quart import request

from trioproxy.dialects.anthropic.request import MessagesRequest
from trioproxy.dialects.renderer import Renderer
from trioproxy.pool.pool import Pool
from trioproxy.settings import ServerSettings
from trioproxy.web.bodies import decoded
from trioproxy.web.gate.context import current_context
from trioproxy.web.model_response import ModelResponse, recording
from trioproxy.web.observe.notes import NOTES, as_header

logger = logging.getLogger("trioproxy.web")

_LARGE = 1_000_000  # bytes; reading so many takes longer than a hop to a thread and back

T = TypeVar("T")


async def read_body() -> bytes:
    """The body of the request that is being handled, decompressed."""
    body = await request.get_data(cache=False, as_text=False, parse_form_data=False)
    encoding = ",".join(request.headers.getlist("content-encoding"))
    limit = request.max_content_length
    return await decoded(body, encoding, len(body) if limit is None else limit)


async def read(parse: Callable[[bytes], T]) -> T:
    """The request that is being handled, parsed; a large body in a thread. Raises as `parse`."""
    body = await read_body()
    return await trio.to_thread.run_sync(parse, body) if len(body) > _LARGE else parse(body)


async def respond(
    pool: Pool, request_: MessagesRequest, renderer: Renderer, server: ServerSettings
) -> ModelResponse:
    """Submit a request to the pool, and respond with its answer once a worker has it."""
    context = current_context(request.scope)
    asked = evolve(request_.turn, caller=context.record.caller)
    turn = await pool.models.resolve(asked, request_.offered)
    logger.debug("[API] Acquiring Claude client from pool for message request")
    is_stream = request_.stream
    lease = context.hold(pool.submit(turn, context.request_id, is_buffered=not is_stream))
    receive = context.hold(recording(lease, context.record))
    record = context.record
    record.model, record.timings, record.notes = turn.model, lease.timings, request_.notes
    await lease.wait_taken()
    record.worker = lease.worker_id or ""
    response = ModelResponse(lease, receive, renderer, server, is_stream=is_stream)
    if record.notes:
        response.headers[NOTES.decode()] = as_header(record.notes)
    return response
