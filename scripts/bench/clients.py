"""Clients of a server, each with one request after the other on a connection that it keeps.

    python clients.py PORT

Each line told is a `Round`, and what came of it is told back. They have a process to themselves,
so that they share no interpreter with what is measured, and do little for each request: it is
made beforehand, and its answer is looked at no closer than it takes to find its end.
"""

import asyncio
import itertools
import json
import sys
from time import perf_counter
from typing import Any

from _child import tell
from bench.round import Outcome, Round, Turn

_HEAD = (
    "POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
    "anthropic-version: 2023-06-01\r\ncontent-length: {length}\r\n\r\n"
)
_PATIENCE = 120.0
_DELTA = b"event: content_block_delta"


class _Connection(asyncio.Protocol):
    """A connection to the server, with one request under way at most."""

    _transport: asyncio.Transport
    _answer: asyncio.Future[Turn]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, request: bytes, *, wants_deltas: bool) -> asyncio.Future[Turn]:
        """Send a request."""
        self._answer = asyncio.get_running_loop().create_future()
        self._received = bytearray()
        self._body = -1
        self._length: int | None = None
        self._seen = 0
        self._wants_deltas = wants_deltas
        self._deltas: list[float] = []
        self._begun = perf_counter()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        now = perf_counter() - self._begun
        self._received += data
        if self._body < 0 and not self._read_head():
            return
        if len(self._received) > self._body and not self._seen:
            self._first = now
            self._seen = self._body
        if self._wants_deltas:
            while (at := self._received.find(_DELTA, self._seen)) >= 0:
                self._deltas.append(round(now, 6))
                self._seen = at + len(_DELTA)
        if self._is_whole() and not self._answer.done():
            self._end(Turn(self._first, now, self._deltas))

    def _read_head(self) -> bool:
        at = self._received.find(b"\r\n\r\n")
        if at < 0:
            return False
        self._body = at + 4
        for line in bytes(self._received[:at]).lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                self._length = int(line[15:])
        return True

    def _is_whole(self) -> bool:
        if self._length is None:
            return self._received.endswith(b"\r\n0\r\n\r\n")
        return len(self._received) >= self._body + self._length

    def _end(self, turn: Turn) -> None:
        status = bytes(self._received[9:12])
        if status != b"200":
            result = bytes(self._received[self._body :][:300]).decode(errors="replace")
            self._answer.set_exception(ConnectionError(f"status {status.decode()}: {result}"))
        elif b'"end_turn"' not in self._received or b"event: error" in self._received:
            self._answer.set_exception(ConnectionError("an answer that is not whole"))
        else:
            self._answer.set_result(turn)

    def connection_lost(self, exc: Exception | None) -> None:
        if hasattr(self, "_answer") and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"connection lost: {exc or 'closed'}"))

    def close(self) -> None:
        self._transport.close()


def _request(body: dict[str, Any], port: int) -> bytes:
    data = json.dumps(body).encode()
    return _HEAD.format(port=port, length=len(data)).encode() + data


async def _connect(port: int) -> _Connection:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
    return connection


async def _run(port: int, round_: Round) -> Outcome:
    outcome = Outcome(round_.seconds)
    requests = itertools.cycle([_request(body, port) for body in round_.bodies])
    connections = [await _connect(port) for _ in range(round_.at_once)]
    begun = perf_counter()

    async def client(connection: _Connection) -> None:
        try:
            for done in itertools.count():
                if round_.is_over(done, perf_counter() - begun):
                    return
                asked = connection.ask(next(requests), wants_deltas=round_.wants_deltas)
                turn = await asyncio.wait_for(asked, _PATIENCE)
                outcome.ended.append((perf_counter() - begun, turn))
                if round_.pause:
                    await asyncio.sleep(round_.pause)
        except (OSError, TimeoutError) as error:
            outcome.failures[str(error) or "no answer in time"] += 1
        finally:
            connection.close()

    await asyncio.gather(*map(client, connections))
    return outcome


if __name__ == "__main__":
    for line in sys.stdin:
        tell(asyncio.run(_run(int(sys.argv[1]), Round(**json.loads(line)))).as_json())
