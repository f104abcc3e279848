"""Clients that ask a server, each with one request after the other: a round for each line told.

It has a process to itself, so that it shares no interpreter with what it measures, and does
little for each request: one that is ready beforehand, and an answer read by its content-length.

A round is told as `Round` has it, and its `Outcome` is told back.
"""

import asyncio
import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field
from time import perf_counter

from _child import tell
from bench.load import Connection, connect

_LEAD = 0.2  # of a round: what comes then is not counted, since connections are being opened
_FEW = 2  # answers for each client: with fewer, the whole round is counted
_TIMEOUT = 60.0  # seconds for the last answers


@dataclass(frozen=True)
class Round:
    """What is to be asked; each client asks at least once. `length`: of a right answer's body."""

    port: int
    path: str
    clients: int
    seconds: float
    length: int


@dataclass(frozen=True)
class Outcome:
    """How it went; latencies in seconds, of the answers that count for the rate."""

    rate: float
    answered: int
    latencies: list[float]
    failures: dict[str, int]


@dataclass
class _Run:
    """A round that is under way."""

    round_: Round
    request: bytes
    begun: float = 0.0
    answers: list[tuple[float, float]] = field(default_factory=list)  # when, after how long
    failures: Counter[str] = field(default_factory=Counter)

    async def client(self, connection: Connection) -> None:
        """Ask until the time is up; a connection that breaks ends it."""
        try:
            while True:
                is_last = await self._ask(connection)
                if perf_counter() >= self.begun + self.round_.seconds:
                    return
                if is_last:
                    connection.close()
                    connection = await connect(self.round_.port)
        except OSError as error:
            self.failures[str(error)] += 1
        finally:
            connection.close()

    async def _ask(self, connection: Connection) -> bool:
        """Whether the server closes the connection then."""
        begun = perf_counter()
        response = await connection.ask(self.request)
        length = len(response.body)
        if response.status != "200":
            self.failures[f"status {response.status}"] += 1
        elif length != self.round_.length:
            self.failures[f"{length} bytes instead of {self.round_.length}"] += 1
        else:
            self.answers.append((begun + response.whole - self.begun, response.whole))
        return response.closes

    def outcome(self) -> Outcome:
        """Of its steady part; or of all of it, to the last answer, where there are few."""
        seconds = self.round_.seconds
        lead = _LEAD * seconds
        steady = [took for when, took in self.answers if lead <= when <= seconds]
        if len(steady) >= _FEW * self.round_.clients:
            return self._of(steady, seconds - lead)
        last = max((when for when, _ in self.answers), default=1.0)
        return self._of([took for _, took in self.answers], last)

    def _of(self, latencies: list[float], seconds: float) -> Outcome:
        rounded = [round(latency, 6) for latency in latencies]
        rate = len(latencies) / seconds
        return Outcome(rate, len(self.answers), rounded, dict(self.failures))


async def run(round_: Round) -> Outcome:
    """All clients at once. They are connected before the time begins."""
    request = f"GET {round_.path} HTTP/1.1\r\nhost: 127.0.0.1:{round_.port}\r\naccept: */*\r\n\r\n"
    run = _Run(round_, request.encode())
    connections = await asyncio.gather(*(connect(round_.port) for _ in range(round_.clients)))
    run.begun = perf_counter()
    clients = [asyncio.create_task(run.client(connection)) for connection in connections]
    _, silent = await asyncio.wait(clients, timeout=round_.seconds + _TIMEOUT)
    if silent:
        run.failures["no answer"] += len(silent)
    return run.outcome()


if __name__ == "__main__":
    for line in sys.stdin:
        tell(asdict(asyncio.run(run(Round(**json.loads(line))))))
