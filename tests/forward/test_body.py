"""A request's body, as it comes and as it comes again."""

from collections.abc import Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from trioproxy.errors import BodyTooSlow
from trioproxy.forward.body import ClientLeft, RequestBody


def body_of(*chunks: bytes, end: str = "http.request") -> RequestBody:
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    messages.append({"type": end})

    async def receive() -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        return messages.pop(0)

    return RequestBody(receive, timeout=60.0)


async def read(body: RequestBody) -> Sequence[bytes]:
    return [chunk async for chunk in body]


async def test_it_comes_as_it_comes() -> None:
    body = body_of(b"a", b"", b"bc")
    assert not body.is_begun
    assert await read(body) == [b"a", b"bc"]
    assert (body.is_begun, body.is_whole) == (True, True)


async def test_a_short_one_comes_again() -> None:
    body = body_of(b"a", b"bc")
    await read(body)
    assert await read(body) == [b"abc"]


async def test_half_of_it_and_then_the_whole() -> None:
    body = body_of(b"a", b"bc", b"d")
    iterator = aiter(body)
    assert await anext(iterator) == b"a"
    assert await read(body) == [b"a", b"bc", b"d"]


async def test_of_a_long_one_the_beginning_is_not_kept() -> None:
    body = body_of(b"x" * 65_536, b"y")
    assert len(await read(body)) == 2
    assert not body.is_whole


async def test_a_client_that_leaves() -> None:
    body = body_of(b"a", end="http.disconnect")
    with pytest.raises(ClientLeft):
        await read(body)


async def test_a_client_that_is_silent(autojump_clock: MockClock) -> None:
    async def receive() -> dict[str, Any]:
        await trio.sleep_forever()
        raise AssertionError

    with pytest.raises(BodyTooSlow, match="not arrive in time"):
        await read(RequestBody(receive, timeout=7.0))
    assert trio.current_time() == 7


async def test_whether_there_is_one_can_be_seen_before_it_is_read() -> None:
    body = body_of(b"", b"a", b"b")
    assert await body.peek()
    assert not body.is_begun
    assert await read(body) == [b"a", b"b"]
    assert not await body_of().peek()


async def test_one_that_is_there_already() -> None:
    body = RequestBody.of(b"abc")
    assert await read(body) == await read(body) == [b"abc"]
    assert await read(RequestBody()) == []


async def test_a_client_that_drips_is_given_up_too(autojump_clock: MockClock) -> None:
    async def receive() -> dict[str, Any]:
        await trio.sleep(1)
        return {"type": "http.request", "body": b"x" * 100, "more_body": True}

    with pytest.raises(BodyTooSlow):
        await read(RequestBody(receive, timeout=9.0))
    assert trio.current_time() == pytest.approx(9.9)


async def test_a_slow_one_that_goes_on_is_not(autojump_clock: MockClock) -> None:
    left = 100

    async def receive() -> dict[str, Any]:
        nonlocal left
        left -= 1
        await trio.sleep(5)
        return {"type": "http.request", "body": b"x" * 5000, "more_body": left > 0}

    assert len(await read(RequestBody(receive, timeout=6.0))) == 100
    assert trio.current_time() == 500
