"""An offline stand-in for the Anthropic Messages API.

It answers like the API does, from memory: whole or streamed, at once or at a model's pace, with
tools, thinking, errors and broken streams when the caller asks for them (`directives.py`). What it
was sent stays in its `record`. Nothing leaves the machine and no account is needed.

    async with trio.open_nursery() as nursery:
        url = await nursery.start(serve_standin, StandIn())

or, by hand, `python -m trioproxy.standin`.

    app.py          ASGI: which path is answered by what
    server.py       Hypercorn: a port to answer on
    delivery.py     Trio: an answer, at its pace, for as long as its client is there
    asgi.py         the few ASGI messages that this takes
    record.py       the requests that came
    answers.py      pure: a request's body -> `Plan` -> the API's events
    directives.py   pure: what a message asks of the stand-in
    script.py       pure: a model that is played, turn by turn
    bodies.py       pure: what the API checks and counts in a body
    cache.py        what it keeps of prompts, and how the usage counts that
    pace.py         pure: which event is due when
    errors.py       pure: the API's errors
"""

from trioproxy.standin.answers import Plan, events, plan, whole
from trioproxy.standin.app import StandIn
from trioproxy.standin.cache import PromptCache
from trioproxy.standin.errors import ApiError
from trioproxy.standin.pace import Pace
from trioproxy.standin.record import Record, RecordedRequest
from trioproxy.standin.server import serve_standin

__all__ = [
    "ApiError",
    "Pace",
    "Plan",
    "PromptCache",
    "Record",
    "RecordedRequest",
    "StandIn",
    "events",
    "plan",
    "serve_standin",
    "whole",
]
