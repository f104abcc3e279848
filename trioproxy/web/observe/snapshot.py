"""What the server does now, as plain data: what `/status` tells.

Of what callers say, only names that this server or its operator gave reach it: the route, never
the path. Each text is made printable, so that none can pass for something else where it is shown.
"""

import os
import time
from typing import Any

import attrs
from attrs import define

import trioproxy
from trioproxy.forward.client import ForwardClient
from trioproxy.percentiles import Percentiles, latest
from trioproxy.pool.job import TurnTimings
from trioproxy.pool.pool import Pool
from trioproxy.settings import PoolSettings
from trioproxy.web.gate.drain_gate import DrainGate
from trioproxy.web.observe.registry import RequestRecord, RequestRegistry, SecondBucket
from trioproxy.web.routes import table
from trioproxy.web.routes.table import Audience

Row = tuple[int, int, int, float | None, float | None]

_SECONDS = 300
_LONGEST_TEXT = 200
_IMPORTED = time.monotonic()


@define
class Snapshot:
    """All that the page shows. Durations in seconds, sizes in bytes.

    `settings`: those of the pool, to show its sizes; None: unknown.
    """

    pool: Pool
    client: ForwardClient
    registry: RequestRegistry
    gate: DrainGate
    settings: PoolSettings | None = None
    is_offline: bool = False

    def __call__(self, now: float) -> dict[str, Any]:
        """The data at `now`, on trio's clock, ready for JSON.

        `history` has `[Unix second, ended, failed, p50, p99]` of each second in which a request
        ended; `recent` sums it up, with the percentiles of the latest thousand. `watching` counts
        the viewers of the page, whose requests are not among the others.
        """
        clock = time.time()
        pool, registry = self.pool, self.registry
        seconds = [second for second in registry.history if second.at > clock - _SECONDS]
        running = [record for record in registry.running.values() if not _is_viewers(record)]
        ended = [record for record in registry.latest if not _is_viewers(record)]
        routes = [record.route for record in registry.running.values()]
        upstreams = self.client.statistics()
        return {
            "time": clock,
            "pid": os.getpid(),
            "version": trioproxy.__version__,
            "uptime": time.monotonic() - _IMPORTED,
            "offline": self.is_offline,
            "closing": self.gate.is_closed,
            "starting": pool.is_starting,
            "trouble": None if pool.trouble is None else _printable(pool.trouble),
            "pool": pool.statistics().as_json() if pool.is_enabled else None,
            "settings": None if self.settings is None else _sizes(self.settings),
            "http_pool": {name: stats.as_json() for name, stats in upstreams.items()},
            "watching": routes.count("/status/events"),
            "running": [_running(record, now) for record in running],
            "latest": [_ended(record, now, clock) for record in reversed(ended)],
            "history": [_row(second) for second in seconds],
            "recent": _recent(seconds),
        }


def _is_viewers(record: RequestRecord) -> bool:
    return table.audience(record.route) is Audience.PAGE


def _sizes(settings: PoolSettings) -> dict[str, int]:
    names = ("min_size", "max_size", "max_waiting")
    return {name: getattr(settings, name) for name in names}


def _running(record: RequestRecord, now: float) -> dict[str, Any]:
    end = now if record.ended_at is None else record.ended_at
    return {
        "id": record.id,
        "method": _printable(record.method),
        "route": _printable(record.route),
        "token": _printable(record.caller),
        "model": _printable(record.model),
        "worker": record.worker,
        "stage": record.stage,
        "seconds": end - record.started_at,
        "spent": _spent(record, now),
    }


def _spent(record: RequestRecord, now: float) -> dict[str, float]:
    """Where the time went. What asks no model waits for its first byte only."""
    end = now if record.ended_at is None else record.ended_at
    timings = record.timings or TurnTimings(
        record.started_at, record.started_at, record.first_byte_at, done_at=end
    )
    stages = {
        "waiting": timings.assigned_at,
        "binding": timings.accepted_at,
        "thinking": timings.first_event_at,
    }
    spent = {}
    since = record.started_at
    for name, until in {**stages, "streaming": end}.items():
        # A turn that a second process has taken may have been read by the first one.
        upto = end if until is None else min(max(until, since), end)
        spent[name] = upto - since
        since = upto
    settled = now if timings.done_at is None else timings.done_at
    return {**spent, "resetting": 0.0 if record.ended_at is None else max(0.0, settled - end)}


def _ended(record: RequestRecord, now: float, clock: float) -> dict[str, Any]:
    assert record.ended_at is not None
    return {
        **_running(record, now),
        "at": clock - (now - record.ended_at),
        "status": record.status,
        "sent": record.sent,
        "tokens": attrs.asdict(record.usage) if record.usage else None,
        "cost": record.timings.cost if record.timings else None,
        "failure": _printable(record.failure),
        "refusal": record.refusal.value if record.refusal else "",
        "refused_at": record.refused_at,
    }


def _row(second: SecondBucket) -> Row:
    found = second.percentiles()
    return (second.at, len(second.times), second.failed, found.p50, found.p99)


def _recent(seconds: list[SecondBucket]) -> dict[str, Any]:
    times = latest()
    for second in reversed(seconds):
        times.extendleft(second.times[-(times.maxlen or 0) + len(times) :])
        if len(times) == times.maxlen:
            break
    return {
        "ended": sum(len(second.times) for second in seconds),
        "failed": sum(second.failed for second in seconds),
        **attrs.asdict(Percentiles.of(times)),
    }


def _printable(text: str) -> str:
    """The text with control characters and text direction marks replaced, and cut."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )[:_LONGEST_TEXT]
