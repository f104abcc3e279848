"""An answer, at its pace, for as long as its client is there."""

from collections.abc import Awaitable, Callable
from functools import partial

import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable

from trioproxy.dialects.sse import CONTENT_TYPE
from trioproxy.standin.answers import Plan, events, whole
from trioproxy.standin.asgi import send_body, send_head, send_json
from trioproxy.standin.errors import request_id
from trioproxy.standin.pace import timetable


async def deliver(answer: Plan, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Give the answer, or as much of it as is due before the client leaves.

    Raises `ApiError` when its time has come, if that is the answer.
    """
    begin = trio.current_time()
    if not await _while_client_stays(receive, _prelude(answer, begin, send)):
        return
    if answer.refusal is not None:
        raise answer.refusal
    if answer.is_streamed:
        await _end_stream(answer, send)
    else:
        await _send_message(answer, send)


def _prelude(answer: Plan, begin: float, send: ASGISendCallable) -> Callable[[], Awaitable[None]]:
    """All of the delivery that takes time, and that a client may leave in."""
    if answer.hang:
        return trio.sleep_forever
    if answer.refusal is not None:
        return partial(trio.sleep_until, begin + answer.pace.first)
    if answer.is_streamed:
        return partial(_stream, answer, begin, send)
    return partial(trio.sleep_until, begin + answer.pace.due(answer.output_tokens))


async def _stream(answer: Plan, begin: float, send: ASGISendCallable) -> None:
    await trio.sleep_until(begin + answer.pace.first)
    about = {"content-type": CONTENT_TYPE, "cache-control": "no-cache"}
    await send_head(send, 200, {**about, "request-id": request_id(answer.number)})
    for due, chunk in timetable(events(answer), answer.pace, answer.chunk):
        await trio.sleep_until(begin + due)
        await send_body(send, chunk, more=True)


async def _end_stream(answer: Plan, send: ASGISendCallable) -> None:
    # To return without an end is to cut: Hypercorn closes the connection, and the client
    # misses the last, empty chunk. An exception would do the same, with a traceback.
    if answer.drop_after is None:
        await send_body(send, b"", more=False)


async def _send_message(answer: Plan, send: ASGISendCallable) -> None:
    headers = {"request-id": request_id(answer.number)}
    if answer.drop_after is None:
        await send_json(send, 200, whole(answer), headers)
    else:
        await send_head(send, 200, {"content-type": "application/json", **headers})
        await send_body(send, b"{", more=True)


async def _while_client_stays(
    receive: ASGIReceiveCallable, work: Callable[[], Awaitable[None]]
) -> bool:
    """Do the work, but stop when the client leaves; whether all of it was done.

    The last message of an answer must not be part of the work. While it is sent, Hypercorn puts
    `http.disconnect` into `receive` and then frees the connection for the next request: who
    takes that for a client that left cancels the freeing, and the connection stays for ever.
    """
    is_done = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_when_client_leaves, receive, nursery.cancel_scope)
        await work()
        is_done = True
        nursery.cancel_scope.cancel()
    return is_done


async def _cancel_when_client_leaves(
    receive: ASGIReceiveCallable, scope: trio.CancelScope
) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
