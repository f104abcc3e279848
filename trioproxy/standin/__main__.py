"""`python -m trioproxy.standin --port 8001 --first 0.3 --rate 50`."""

import argparse
import logging
import signal
import sys
from functools import partial
from math import inf

import trio

from trioproxy.standin.app import StandIn
from trioproxy.standin.pace import Pace
from trioproxy.standin.server import serve_standin

USAGE = """\
The stand-in for the Anthropic API listens on {url}. Ctrl-C ends it.

  curl {url}/v1/messages -d '{{"model": "claude-x", "max_tokens": 100, "stream": true,
    "messages": [{{"role": "user", "content": "Hello. [[standin rate=10]]"}}]}}'
  ANTHROPIC_BASE_URL={url} ANTHROPIC_API_KEY=any claude --bare
  curl {url}/standin/requests

What else [[standin ...]] can ask for: pydoc trioproxy.standin.directives
"""


def main() -> None:
    """Answer until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m trioproxy.standin",
        description="An offline stand-in for the Anthropic API.",
    )
    parser.add_argument("--port", type=port_number, default=8001, help="0 is any free one")
    parser.add_argument("--first", type=float, default=0.0, help="seconds before an answer")
    parser.add_argument("--rate", type=float, default=inf, help="words per second")
    options = parser.parse_args()
    try:
        pace = Pace(first=options.first, rate=options.rate)
    except ValueError as error:
        parser.error(str(error))
    logging.basicConfig(level=logging.WARNING)
    reason: BaseException | None = None
    try:
        trio.run(_run, StandIn(pace=pace), options.port)
    except* OSError as group:
        reason = _innermost(group)
    if reason is not None:  # not above: before 3.11.4, Python would put the exit into a group
        sys.exit(f"cannot listen on port {options.port}: {reason}")


def port_number(text: str) -> int:
    """Read a port; what is none is a `ValueError`, as argparse has it."""
    port = int(text)
    if not 0 <= port < 65536:  # noqa: PLR2004  # as every port; Trio would take it modulo this
        raise ValueError
    return port


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _run(standin: StandIn, port: int) -> None:
    # As an exception, Ctrl-C would strike any task, an answer too; as a signal it strikes here.
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve_standin, standin, port=port))
            print(USAGE.format(url=url), flush=True)  # noqa: T201  # a terminal reads this
            await anext(signals)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    main()
