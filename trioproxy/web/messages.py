"""`POST /v1/messages`."""

import logging
from collections.abc import AsyncGenerator
from functools import partial

import trio
from attrs import evolve
from quart import request
from quart_trio import QuartTrio
from quart_trio.wrappers import TrioResponse

from trioproxy.claude.turn import Event, Turn
from trioproxy.dialects import anthropic, sse
from trioproxy.dialects.anthropic import MessagesRequest, Rules
from trioproxy.dialects.whole import WholeAnswer
from trioproxy.errors import CliFailed, InternalError, TrioproxyError
from trioproxy.pool.job import Answer, Batch
from trioproxy.pool.pool import Pool
from trioproxy.web.presence import current_call

logger = logging.getLogger("trioproxy.web")

_LARGE = 1_000_000  # bytes; reading so many takes longer than a hop to a thread and back
_PING: Event = {"type": "ping"}
_NOTES = "x-trioproxy-notes"


def install(app: QuartTrio, pool: Pool, rules: Rules, *, ping_interval: float) -> None:
    """Add the route."""

    @app.post("/v1/messages")
    async def messages() -> TrioResponse:
        call = current_call(request.scope)
        body = await request.get_data(cache=False, as_text=False, parse_form_data=False)
        asked = await _parsed(body, ",".join(request.headers.getlist("anthropic-beta")), rules)
        turn = await _with_full_name(asked.turn, pool)
        logger.debug("[API] Acquiring Claude client from pool for message request")
        answer = call.hold(pool.submit(turn, call.request_id))
        await answer.wait_taken()
        if asked.stream:
            call.is_stream = True
            response = await _streamed(answer, call.request_id, ping_interval)
        else:
            response = await _whole(answer)
        if asked.notes:
            response.headers[_NOTES] = "; ".join(asked.notes)
        return response


async def _parsed(body: bytes, betas: str, rules: Rules) -> MessagesRequest:
    parse = partial(anthropic.parse_request, body, betas=betas, rules=rules)
    return await trio.to_thread.run_sync(parse) if len(body) > _LARGE else parse()


async def _with_full_name(turn: Turn, pool: Pool) -> Turn:
    """The turn with the model's id for its short name, as far as that matters or is known.

    The CLI knows the short names itself, but drops thoughts that are not of the model's id.
    """
    found = pool.models.known
    if anthropic.needs_full_name(turn) and not found.listed:
        found = await pool.models.wait_models()
    model = found.find(turn.model)
    return turn if model is None else evolve(turn, model=model.id)


async def _whole(answer: Answer) -> TrioResponse:
    message = WholeAnswer()
    async for batch in answer:
        for event in batch:
            message.add(event)
    _release(answer)
    return TrioResponse(message.encode(), content_type="application/json")


async def _streamed(answer: Answer, request_id: str, ping_interval: float) -> TrioResponse:
    # Until the first event there is nothing sent, and an error still has a status of its own.
    first = await answer.receive()
    if first is None:
        raise CliFailed("The answer ended before it began.")
    response = TrioResponse(
        _chunks(first, answer, request_id, ping_interval),
        content_type=sse.CONTENT_TYPE,
        headers={"cache-control": "no-cache"},
    )
    response.timeout = None  # Quart would cut the stream after a minute, and say nothing
    return response


async def _chunks(
    first: Batch, answer: Answer, request_id: str, ping_interval: float
) -> AsyncGenerator[bytes]:
    yield sse.encode_events(first)
    try:
        batch: Batch | None = first
        while batch is not None:
            batch = (_PING,)
            with trio.move_on_after(ping_interval):
                batch = await answer.receive()
            if batch is not None:
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
