"""`GET /metrics`: what is counted, for Prometheus.

No label is a caller's text: routes are patterns, and models are those that the CLI offers. Every
series has the worker's pid, for several workers may answer on one port.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping

from attrs import define, field
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from trioproxy import __version__
from trioproxy.claude.models import Models
from trioproxy.forward.stats import UpstreamStatistics
from trioproxy.percentiles import Percentiles
from trioproxy.pool.stats import PoolStatistics
from trioproxy.pool.worker import WorkerState
from trioproxy.web.observe.registry import RequestRecord

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600)
_STATES = tuple(state.value for state in WorkerState)


@define(eq=False)
class Metrics:
    """The counters, and what is read when they are asked for."""

    _pool: Callable[[], PoolStatistics]
    _upstreams: Callable[[], Mapping[str, UpstreamStatistics]]
    _models: Callable[[], Models]
    _registry: CollectorRegistry = field(factory=lambda: CollectorRegistry(auto_describe=True))
    _requests: Counter = field(init=False)
    _seconds: Histogram = field(init=False)
    _first_byte: Histogram = field(init=False)
    _refusals: Counter = field(init=False)
    _tokens: Counter = field(init=False)

    def __attrs_post_init__(self) -> None:
        at = self._registry
        self._requests = Counter(
            "trioproxy_requests", "Requests that have ended", ["route", "status"], registry=at
        )
        self._seconds = Histogram(
            "trioproxy_request_seconds",
            "Time to the end of the response",
            ["route"],
            buckets=_SECONDS,
            registry=at,
        )
        self._first_byte = Histogram(
            "trioproxy_first_byte_seconds",
            "Time to the first byte of the response's body",
            ["route"],
            buckets=_SECONDS,
            registry=at,
        )
        self._refusals = Counter(
            "trioproxy_refusals",
            "Rejected requests, by reason and by the part that was wrong",
            ["route", "reason", "at"],
            registry=at,
        )
        self._tokens = Counter(
            "trioproxy_tokens", "Tokens, as the API counts them", ["model", "kind"], registry=at
        )
        at.register(_Gauges(self._gauges))

    def ended(self, record: RequestRecord) -> None:
        """A request has ended."""
        assert record.ended_at is not None
        status = str(record.status) if record.status is not None else "none"
        self._requests.labels(record.route, status).inc()
        self._seconds.labels(record.route).observe(record.ended_at - record.started_at)
        if record.first_byte_at is not None:
            self._first_byte.labels(record.route).observe(record.first_byte_at - record.started_at)
        if record.refusal is not None:
            self._refusals.labels(record.route, record.refusal.value, record.refused_at).inc()
        if record.usage is not None:
            model = self._models().label(record.model)
            for kind in ("input", "output", "cache_read", "cache_write"):
                self._tokens.labels(model, kind).inc(getattr(record.usage, kind))

    def _gauges(self) -> Iterator[Metric]:
        yield _gauge("trioproxy_info", "This server", {("version", __version__): 1})
        yield from _of_pool(self._pool())
        yield from _of_upstreams(self._upstreams())

    def text(self) -> bytes:
        """All metrics, in the text format of Prometheus."""
        return generate_latest(_WithPid(self._registry))


class _Gauges(Collector):
    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        return self._read()


class _WithPid(CollectorRegistry):
    """Another registry, each of whose samples has the label `pid`."""

    def __init__(self, inner: CollectorRegistry) -> None:
        super().__init__()
        self._inner = inner

    def collect(self) -> Iterator[Metric]:
        pid = {"pid": str(os.getpid())}
        for metric in self._inner.collect():
            metric.samples = [
                sample._replace(labels={**sample.labels, **pid}) for sample in metric.samples
            ]
            yield metric


_Values = dict[tuple[str, str] | None, float]  # by a label's name and value, or by none


def _gauge(name: str, about: str, values: _Values) -> Metric:
    """A gauge by one label, or by none (None)."""
    labels = [key[0] for key in values if key][:1]
    family = GaugeMetricFamily(name, about, labels=labels)
    for key, value in values.items():
        family.add_metric([key[1]] if key else [], value)
    return family


def _counter(name: str, about: str, values: _Values) -> Metric:
    """A counter by one label, or by none (None)."""
    labels = [key[0] for key in values if key][:1]
    family = CounterMetricFamily(name, about, labels=labels)
    for key, value in values.items():
        family.add_metric([key[1]] if key else [], value)
    return family


def _quantiles(times: Percentiles) -> _Values:
    shares = {"0.5": times.p50, "0.9": times.p90, "0.99": times.p99}
    return {("quantile", share): time for share, time in shares.items() if time is not None}


def _of_pool(pool: PoolStatistics) -> Iterator[Metric]:
    states: _Values = {("state", state): 0.0 for state in _STATES}
    for worker in pool.workers:
        states["state", worker.state] += 1
    name = "trioproxy_pool"
    yield _gauge(f"{name}_processes", "Claude processes by state", states)
    yield _gauge(f"{name}_bound", "Claude processes that have a system prompt",
                 {None: sum(worker.bound for worker in pool.workers)})  # fmt: skip
    yield _gauge(
        f"{name}_rss_bytes",
        "Memory of all Claude processes",
        {None: sum(w.rss or 0 for w in pool.workers)},
    )
    yield _gauge(f"{name}_waiting", "Requests waiting for a process", {None: pool.waiting})
    counts: dict[str, tuple[str, float]] = {
        "created": ("Processes started", pool.connections_created),
        "destroyed": ("Processes ended", pool.connections_destroyed),
        "reused": ("Turns on processes that had served before", pool.connections_reused),
        "acquire_timeouts": ("Requests that timed out while waiting", pool.acquire_timeouts),
        "health_check_failures": (
            "Idle processes that failed a health check",
            pool.health_check_failures,
        ),
        "boots": ("Processes that booted", pool.boots),
        "messages_kept": (
            "Messages of histories that stood in the process already",
            pool.messages_kept,
        ),
        "messages_replayed": ("Messages of histories that were written", pool.messages_replayed),
        "boot_failures": ("Processes that failed to boot", pool.boot_failures),
        "resets": ("Processes reset", pool.resets),
        "retries": ("Turns tried again", pool.retries),
        "turn_timeouts": ("Answers that took too long", pool.turn_timeouts),
    }
    for key, (about, value) in counts.items():
        yield _counter(f"{name}_{key}", about, {None: value})
    yield _counter(
        f"{name}_retirements",
        "Processes ended, by reason",
        {("reason", reason): count for reason, count in pool.retirements.items()},
    )
    yield _counter(
        "trioproxy_cost_usd",
        "Cost of answers in USD, as the CLI estimates it",
        {("model", model): usd for model, usd in pool.cost_usd.items()},
    )
    yield _gauge(f"{name}_boot_seconds", "Recent boot times", _quantiles(pool.boot_seconds))
    yield _gauge(f"{name}_wait_seconds", "Recent waiting times", _quantiles(pool.wait_seconds))
    yield _gauge(f"{name}_reset_seconds", "Recent reset times", _quantiles(pool.reset_seconds))


def _of_upstreams(upstreams: Mapping[str, UpstreamStatistics]) -> Iterator[Metric]:
    name = "trioproxy_http_pool"
    gauges = {
        "open_connections": "Connections to an upstream",
        "in_use_connections": "Connections in use",
        "idle_connections": "Idle connections",
        "waiting": "Requests waiting for a connection",
    }
    counts = {
        "requests": "Requests to an upstream",
        "connections_created": "Connections opened",
        "connections_reused": "Requests over a kept connection",
        "recreations": "Pools replaced",
        "retries": "Requests sent again",
        "pool_timeouts": "Requests that timed out while waiting",
        "clients_left": "Requests whose client left",
    }
    for key, about in gauges.items():
        yield _gauge(f"{name}_{key}", about, _by_upstream(upstreams, key))
    for key, about in counts.items():
        yield _counter(f"{name}_{key}", about, _by_upstream(upstreams, key))
    errors = CounterMetricFamily(f"{name}_errors", "Failures", labels=["upstream", "cause"])
    for upstream, stats in upstreams.items():
        for cause, count in stats.errors.items():
            errors.add_metric([upstream, cause], count)
    yield errors


def _by_upstream(upstreams: Mapping[str, UpstreamStatistics], key: str) -> _Values:
    return {("upstream", name): getattr(stats, key) for name, stats in upstreams.items()}
