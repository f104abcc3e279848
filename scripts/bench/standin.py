"""The stand-in for the API, in a process of its own; `{"url": ...}` is told when it answers.

It forgets what it was asked, so that a long run does not make it slow.
"""

from functools import partial

import trio
from _child import end_with_script, tell

from trioproxy.standin.app import StandIn
from trioproxy.standin.record import Record
from trioproxy.standin.server import serve_standin


async def _main() -> None:
    standin = StandIn(record=Record(max_requests=10))
    async with trio.open_nursery() as nursery:
        tell({"url": await nursery.start(partial(serve_standin, standin, port=0))})


if __name__ == "__main__":
    end_with_script()
    trio.run(_main)
