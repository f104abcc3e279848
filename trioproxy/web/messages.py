"""`POST /v1/messages`."""

import logging
from collections.abc import AsyncGenerator
from functools import partial

import trio
from quart import request
from quart_trio import QuartTrio
from quart_trio.wrappers import TrioResponse

from trioproxy.claude.turn import Event
from trioproxy.dialects import anthropic, sse
from trioproxy.errors import CliFailed, InternalError, TrioproxyError
from trioproxy.pool.job import Answer, Batch
from trioproxy.pool.pool import Pool
from trioproxy.web.presence import current_call

logger = logging.getLogger("trioproxy.web")


_LARGE = 1_000_000  # bytes; reading so many takes longer than a hop to a thread and back


def install(app: QuartTrio, pool: Pool, *, max_messages: int) -> None:
    """Add the route."""

    @app.post("/v1/messages")
    async def messages() -> TrioResponse:
        call = current_call(request.scope)
        body = await request.get_data(cache=False, as_text=False, parse_form_data=False)
        asked = await _parsed(body, max_messages)
        logger.debug("[API] Acquiring Claude client from pool for message request")
        answer = call.hold(pool.submit(asked.turn, call.request_id))
        await answer.wait_taken()
        if asked.stream:
            call.is_stream = True
            return await _streamed(answer, call.request_id)
        return await _whole(answer)


async def _parsed(body: bytes, max_messages: int) -> anthropic.MessagesRequest:
    parse = partial(anthropic.parse_request, body, max_messages=max_messages)
    return await trio.to_thread.run_sync(parse) if len(body) > _LARGE else parse()


async def _whole(answer: Answer) -> TrioResponse:
    message = anthropic.WholeAnswer()
    async for batch in answer:
        for event in batch:
            message.add(event)
    _release(answer)
    return TrioResponse(message.encode(), content_type="application/json")


async def _streamed(answer: Answer, request_id: str) -> TrioResponse:
    # Until the first event there is nothing sent, and an error still has a status of its own.
    first = await answer.receive()
    if first is None:
        raise CliFailed("The answer ended before it began.")
    response = TrioResponse(
        _chunks(first, answer, request_id),
        content_type=sse.CONTENT_TYPE,
        headers={"cache-control": "no-cache"},
    )
    response.timeout = None  # Quart would cut the stream after a minute, and say nothing
    return response


async def _chunks(first: Batch, answer: Answer, request_id: str) -> AsyncGenerator[bytes]:
    yield sse.encode_events(first)
    try:
        async for batch in answer:
            yield sse.encode_events(batch)
        _release(answer)
    except TrioproxyError as error:
        logger.warning("[API] %s broke off: %s", request_id, error.log_message)
        yield sse.encode_event(anthropic.error_body(error, request_id))
    except Exception:
        logger.exception("[API] %s broke off", request_id)
        failed: Event = anthropic.error_body(
            InternalError("The server failed; its log has the details."), request_id
        )
        yield sse.encode_event(failed)


def _release(answer: Answer) -> None:
    logger.debug("[API] Releasing Claude client connection %s back to pool", answer.worker_id)
    answer.release()
