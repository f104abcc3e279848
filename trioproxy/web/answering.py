"""A request that the model answers, from its parsed form to the last byte, in any dialect."""

import logging
import math
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

import trio
from attrs import evolve
from quart import request
from quart_trio.wrappers import TrioResponse

from trioproxy.claude.models import LONG
from trioproxy.claude.turn import Turn
from trioproxy.dialects import sse
from trioproxy.dialects.anthropic.request import MessagesRequest, needs_full_name
from trioproxy.dialects.renderer import Renderer
from trioproxy.dialects.whole_message import WholeAnswer
from trioproxy.errors import CliFailed, InvalidRequest
from trioproxy.pool.job import Batch, Lease
from trioproxy.pool.pool import Pool
from trioproxy.refusals import Refusal
from trioproxy.settings import ServerSettings
from trioproxy.web import error_handlers
from trioproxy.web.bodies import decoded
from trioproxy.web.gate.middleware import RequestContext, current_context
from trioproxy.web.observe.notes import NOTES, as_header
from trioproxy.web.observe.registry import RequestRecord

logger = logging.getLogger("trioproxy.web")

_LARGE = 1_000_000  # bytes; reading so many takes longer than a hop to a thread and back

T = TypeVar("T")


async def read_body() -> bytes:
    """The body of the request that is being handled, as it was before it was compressed."""
    body = await request.get_data(cache=False, as_text=False, parse_form_data=False)
    encoding = ",".join(request.headers.getlist("content-encoding"))
    limit = request.max_content_length
    return await decoded(body, encoding, len(body) if limit is None else limit)


async def parsed(body: bytes, parse: Callable[[bytes], T]) -> T:
    """The request that a body is; a large one is read in a thread."""
    return await trio.to_thread.run_sync(parse, body) if len(body) > _LARGE else parse(body)


async def respond(
    pool: Pool, asked: MessagesRequest, reply: Renderer, server: ServerSettings
) -> TrioResponse:
    """Have it answered, and tell the answer by `reply`."""
    context = current_context(request.scope)
    turn = await _with_full_name(asked.turn, pool)
    logger.debug("[API] Acquiring Claude client from pool for message request")
    answer = context.hold(pool.submit(turn, context.request_id, is_buffered=not asked.stream))
    context.hold(_hearing_all(answer, context.record))
    context.record.model, context.record.timings = turn.model, answer.timings
    context.record.notes = asked.notes
    await answer.wait_taken()
    context.record.worker = answer.worker_id or ""
    if asked.stream:
        context.reply = reply
        body = _chunks(answer, reply, context, server)
        response = TrioResponse(body, content_type=sse.CONTENT_TYPE)
        response.headers["cache-control"] = "no-cache"
    else:
        response = TrioResponse(_whole(answer, reply, context), content_type="application/json")
    response.timeout = None  # Quart would cut it after a minute, and say nothing
    if asked.notes:
        response.headers[NOTES.decode()] = as_header(asked.notes)
    context.wait_for_body(is_whole=not asked.stream)
    return response


@contextmanager
def _hearing_all(answer: Lease, record: RequestRecord) -> Generator[None]:
    """What an answer that breaks off has used is noted all the same."""
    try:
        yield
    finally:
        record.record_usage(answer.buffered())


async def _with_full_name(turn: Turn, pool: Pool) -> Turn:
    """The turn with the model's id for its short name, as far as that matters or is known.

    The CLI knows the short names itself, but drops thoughts that are not of the model's id.
    """
    found = pool.models.known
    if needs_full_name(turn) and not found.listed:
        found = await pool.models.wait_models()
    model = found.find(turn.model)
    if model is not None:
        return evolve(turn, model=model.id + LONG * turn.model.lower().endswith(LONG))
    if needs_full_name(turn) and not turn.model.startswith("claude-"):
        reason = "thoughts in the conversation need the model's id, which begins with claude-"
        raise InvalidRequest(Refusal.THOUGHTS_NEED_A_MODEL_ID, reason, path="model")
    return turn


# The response is made while the model thinks, and its head waits for the first of its body: until
# that is there, an error still has a status of its own. In a stream a ping is the first of it when
# nothing else has come for `status_timeout`.


async def _whole(answer: Lease, reply: Renderer, context: RequestContext) -> AsyncGenerator[bytes]:
    try:
        whole = WholeAnswer()
        async for batch in answer:
            context.record.record_usage(batch)
            for event in batch:
                whole.add(event)
        _release(answer)
        yield reply.whole(whole)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        context.refuse(error_handlers.noted(error, context.record))
        yield b""


async def _chunks(
    answer: Lease, reply: Renderer, context: RequestContext, server: ServerSettings
) -> AsyncGenerator[bytes]:
    has_begun = False
    deadline = trio.current_time() + (server.status_timeout or math.inf)
    try:
        while True:
            batch: Batch | None = ()
            with trio.move_on_at(deadline):
                batch = await answer.receive()
            if batch is None:
                break
            context.record.record_usage(batch)
            # Events that become no bytes, such as hidden thoughts, put no ping off.
            if chunk := reply.events(batch) if batch else reply.ping():
                has_begun = True
                yield chunk
                deadline = trio.current_time() + server.ping_interval
        if not has_begun:
            raise CliFailed("The answer ended before it began.")
        _release(answer)
        if chunk := reply.end():
            yield chunk
    except Exception as error:  # noqa: BLE001 - as above
        known = error_handlers.noted(error, context.record, has_begun=has_begun)
        if not has_begun:
            context.refuse(known)
        yield reply.failed(known, context.request_id) if has_begun else b""


def _release(answer: Lease) -> None:
    logger.debug("[API] Releasing Claude client connection %s back to pool", answer.worker_id)
    answer.release()
