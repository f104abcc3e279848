"""An answer is given in its time and while its client is there: exact times, a virtual clock."""

from math import inf
from typing import Any

import pytest
import trio
import trio.testing
from hypercorn.typing import ASGIReceiveEvent, ASGISendEvent

from tests.standin.requests import asking, streaming
from trioproxy.standin import ApiError, plan
from trioproxy.standin.delivery import deliver

WORDS = "[[standin words=4 first=1 rate=2]]"
DUE = [1.0, 1.0, 1.0, 1.0, 1.0, 1.5, 2.0, 2.5, 3.0, 3.0, 3.0, 3.0]
"""Of the head, three events before the first of four deltas, three behind them, and the end."""


class Client:
    """The other side of ASGI: notes what it is sent and when, and leaves when it likes."""

    def __init__(self, *, stays: float = inf, takes: float = 0) -> None:
        self.takes = takes
        self.sent: list[tuple[float, Any]] = []
        self._leaves = trio.current_time() + stays
        self._begin = trio.current_time()

    async def receive(self) -> ASGIReceiveEvent:
        await trio.sleep_until(self._leaves)
        return {"type": "http.disconnect"}

    async def send(self, event: ASGISendEvent) -> None:
        self.sent.append((trio.current_time() - self._begin, event))
        await trio.sleep(self.takes)

    @property
    def times(self) -> list[float]:
        return [when for when, _ in self.sent]

    @property
    def is_answered(self) -> bool:
        return self.sent != [] and self.sent[-1][1].get("more_body") is False


class LeavesAtTheEnd(Client):
    """As Hypercorn has it: says that the client left while the last message is still sent."""

    is_freed = False

    async def send(self, event: ASGISendEvent) -> None:
        await super().send(event)
        if event["type"] == "http.response.body" and not event["more_body"]:
            self._leaves = trio.current_time()
            await trio.testing.wait_all_tasks_blocked()
            self.is_freed = True


async def given_to(client: Client, body: dict[str, Any]) -> None:
    await deliver(plan(body, number=1), client.receive, client.send)


async def test_each_event_comes_when_it_is_due(autojump_clock: trio.testing.MockClock) -> None:
    client = Client()
    await given_to(client, streaming(WORDS))
    assert client.times == DUE
    assert client.is_answered


async def test_a_slow_connection_makes_no_event_later_than_it_must(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client = Client(takes=0.0625)
    await given_to(client, streaming(WORDS))
    # The four at the start queue up behind the head; then each is on time again.
    assert client.times[:8] == [1.0, 1.0625, 1.125, 1.1875, 1.25, 1.5, 2.0, 2.5]


async def test_a_whole_answer_takes_as_long_as_a_streamed_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client = Client()
    await given_to(client, asking(WORDS))
    assert client.times == [3.0, 3.0]
    assert client.is_answered


async def test_an_error_comes_when_the_answer_would_begin(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client = Client()
    with pytest.raises(ApiError):
        await given_to(client, streaming("[[standin error=529 first=1 rate=2]]"))
    assert trio.current_time() == client._begin + 1
    assert client.sent == []


async def test_who_leaves_is_sent_no_more(autojump_clock: trio.testing.MockClock) -> None:
    client = Client(stays=1.75)
    await given_to(client, streaming(WORDS))
    assert client.times == DUE[:6]
    assert trio.current_time() == client._begin + 1.75
    assert not client.is_answered


@pytest.mark.parametrize("text", [WORDS, "[[standin hang]]", "[[standin error=529 first=9]]"])
async def test_who_leaves_before_the_start_is_sent_nothing(
    text: str, autojump_clock: trio.testing.MockClock
) -> None:
    client = Client(stays=0.5)
    await given_to(client, asking(text))
    assert client.sent == []
    assert trio.current_time() == client._begin + 0.5


async def test_to_hang_is_to_wait_for_ever(autojump_clock: trio.testing.MockClock) -> None:
    client = Client()
    with trio.move_on_after(1_000_000) as scope:
        await given_to(client, streaming("[[standin hang first=1]]"))
    assert scope.cancelled_caught
    assert client.sent == []


@pytest.mark.parametrize("body", [asking("hello"), streaming("hello"), streaming(WORDS)], ids=str)
async def test_the_last_message_is_sent_in_peace(
    body: dict[str, Any], autojump_clock: trio.testing.MockClock
) -> None:
    client = LeavesAtTheEnd()
    await given_to(client, body)
    assert client.is_freed
