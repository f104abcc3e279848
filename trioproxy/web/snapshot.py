"""What the server does now, as plain data: what `/status` tells.

Of what callers say, only names that this server or its operator gave reach it: the route, never
the path. Each text is made printable, so that none can pass for something else where it is shown.
"""

import os
import time
from typing import Any

import attrs

import trioproxy
from trioproxy.forward.client import ForwardClient
from trioproxy.percentiles import Percentiles, latest
from trioproxy.pool.job import Course
from trioproxy.pool.pool import Pool
from trioproxy.settings import PoolSettings
from trioproxy.web.book import Book, Entry, Second

Row = tuple[int, int, int, float | None, float | None]

_SECONDS = 300
_LONGEST_TEXT = 200
_IMPORTED = time.monotonic()


def snapshot(  # noqa: PLR0913 - each is another part of the server
    pool: Pool,
    client: ForwardClient,
    book: Book,
    *,
    now: float,
    is_offline: bool,
    is_closing: bool,
    settings: PoolSettings | None = None,
) -> dict[str, Any]:
    """All that the page shows, ready for JSON. Durations in seconds, sizes in bytes.

    `now` is on trio's clock. `history` has `[Unix second, ended, failed, p50, p99]` of each second
    in which a request ended; `recent` sums it up, with the percentiles of the latest thousand.
    `watching` counts the viewers of the page; what they ask is not among the requests.
    """
    clock = time.time()
    seconds = [one for one in book.history if one.at > clock - _SECONDS]
    running = [one for one in book.running.values() if not _is_viewers(one)]
    ended = [one for one in book.latest if not _is_viewers(one)]
    return {
        "time": clock,
        "pid": os.getpid(),
        "version": trioproxy.__version__,
        "uptime": time.monotonic() - _IMPORTED,
        "offline": is_offline,
        "closing": is_closing,
        "starting": pool.is_starting,
        "trouble": None if pool.trouble is None else _printable(pool.trouble),
        "pool": pool.statistics().as_json() if pool.is_enabled else None,
        "settings": None if settings is None else _sizes(settings),
        "http_pool": {name: one.as_json() for name, one in client.statistics().items()},
        "watching": sum(one.route == "/status/events" for one in book.running.values()),
        "running": [_running(one, now) for one in running],
        "latest": [_ended(one, now, clock) for one in reversed(ended)],
        "history": [_row(one) for one in seconds],
        "recent": _recent(seconds),
    }


def _is_viewers(entry: Entry) -> bool:
    return entry.route == "/" or entry.route.startswith("/status")


def _sizes(settings: PoolSettings) -> dict[str, int]:
    names = ("min_size", "max_size", "spare_size", "max_waiting")
    return {name: getattr(settings, name) for name in names}


def _running(entry: Entry, now: float) -> dict[str, Any]:
    end = now if entry.ended is None else entry.ended
    return {
        "id": entry.id,
        "method": _printable(entry.method),
        "route": _printable(entry.route),
        "token": _printable(entry.token),
        "model": _printable(entry.model),
        "worker": entry.worker,
        "stage": entry.stage,
        "seconds": end - entry.begun,
        "spent": _spent(entry, now),
    }


def _spent(entry: Entry, now: float) -> dict[str, float]:
    """Where the time went. What asks no model waits for its first byte only."""
    end = now if entry.ended is None else entry.ended
    course = entry.course or Course(entry.begun, entry.begun, entry.first_byte, settled=end)
    stages = {"waiting": course.taken, "binding": course.read, "thinking": course.begun}
    spent = {}
    since = entry.begun
    for name, until in {**stages, "streaming": end}.items():
        # A turn that a second process has taken may have been read by the first one.
        upto = end if until is None else min(max(until, since), end)
        spent[name] = upto - since
        since = upto
    settled = now if course.settled is None else course.settled
    return {**spent, "resetting": 0.0 if entry.ended is None else max(0.0, settled - end)}


def _ended(entry: Entry, now: float, clock: float) -> dict[str, Any]:
    assert entry.ended is not None
    return {
        **_running(entry, now),
        "at": clock - (now - entry.ended),
        "status": entry.status,
        "sent": entry.sent,
        "tokens": attrs.asdict(entry.tokens) if entry.tokens else None,
        "cost": entry.course.cost if entry.course else None,
        "failure": _printable(entry.failure),
        "refusal": entry.refusal.value if entry.refusal else "",
        "refused_at": entry.refused_at,
    }


def _row(second: Second) -> Row:
    found = second.percentiles()
    return (second.at, len(second.times), second.failed, found.p50, found.p99)


def _recent(seconds: list[Second]) -> dict[str, Any]:
    times = latest()
    for one in reversed(seconds):
        times.extendleft(one.times[-(times.maxlen or 0) + len(times) :])
        if len(times) == times.maxlen:
            break
    return {
        "ended": sum(len(one.times) for one in seconds),
        "failed": sum(one.failed for one in seconds),
        **attrs.asdict(Percentiles.of(times)),
    }


def _printable(text: str) -> str:
    """The same without what is not shown, or shows as something else: controls, text direction."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)[
        :_LONGEST_TEXT
    ]
