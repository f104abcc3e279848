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
from bench.load import Connection, Response, connect
from bench.round import Outcome, Round, Turn

_HEAD = (
    "POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
    "anthropic-version: 2023-06-01\r\ncontent-length: {length}\r\n\r\n"
)
_TIMEOUT = 120.0
_DELTA = b"event: content_block_delta"


def _turn(response: Response) -> Turn:
    """A response as a turn. Raises `ConnectionError` unless it is a whole answer."""
    if response.status != "200":
        reason = response.body[:300].decode(errors="replace")
        raise ConnectionError(f"status {response.status}: {reason}")
    if b'"end_turn"' not in response.body or b"event: error" in response.body:
        raise ConnectionError("an answer that is not whole")
    return Turn(response.first, response.whole, response.marks)


def _request(body: dict[str, Any], port: int) -> bytes:
    data = json.dumps(body).encode()
    return _HEAD.format(port=port, length=len(data)).encode() + data


async def _run(port: int, round_: Round) -> Outcome:
    outcome = Outcome(round_.seconds)
    requests = itertools.cycle([_request(body, port) for body in round_.bodies])
    connections = [await connect(port) for _ in range(round_.at_once)]
    begun = perf_counter()

    async def client(connection: Connection) -> None:
        try:
            for done in itertools.count():
                if round_.is_over(done, perf_counter() - begun):
                    return
                mark = _DELTA if round_.wants_deltas else b""
                asked = connection.ask(next(requests), mark=mark)
                turn = _turn(await asyncio.wait_for(asked, _TIMEOUT))
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
