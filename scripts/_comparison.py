"""What is measured of forward proxies, and what is wanted of the one with the pool."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from attrs import asdict, define, field, frozen
from bench.common import Machine, percentile

POOLED = "pooled"
PER_REQUEST = "per request"
SHARED_TLS = "shared TLS"
FASTAPI = "fastapi"
NGINX = "nginx"

_OF_PER_REQUEST = 10  # times the requests a second
_OF_SHARED_TLS = 3
_LESS_LATENCY = 0.6
_LESS_MEMORY = 0.4
_HELD_RATE = 700  # a second


@frozen
class Case:
    """How servers are asked: how many at once, what is behind them, and which of its paths."""

    clients: int
    upstream: str
    path: str

    def __str__(self) -> str:
        scheme = {"plain": "http", "tls": "https"}[self.upstream]
        held = " held 50 ms" * (self.path == "held")
        return f"{scheme}{held}, {self.clients} client{'s' * (self.clients > 1)}"


@define
class Figures:
    """How one server did in one case. Latencies in seconds; a rate for each round."""

    server: str
    case: Case
    rates: list[float] = field(factory=list)
    latencies: list[float] = field(factory=list)
    answered: int = 0
    failures: dict[str, int] = field(factory=dict)

    def add(self, outcome: Mapping[str, Any]) -> None:
        """One more round."""
        self.rates.append(outcome["rate"])
        self.latencies += outcome["latencies"]
        self.answered += outcome["answered"]
        for failure, count in outcome["failures"].items():
            self.failures[failure] = self.failures.get(failure, 0) + count

    @property
    def rate(self) -> float:
        """Answers a second, in the median round."""
        return median(self.rates)

    @property
    def p50(self) -> float:
        """The median latency."""
        return percentile(self.latencies, 0.5)

    @property
    def p99(self) -> float:
        """The latency that one in a hundred exceeds."""
        return percentile(self.latencies, 0.99)

    def as_json(self) -> dict[str, Any]:
        """All but the single latencies."""
        output = asdict(self)
        del output["latencies"]
        return {**output, "rate": self.rate, "p50": self.p50, "p99": self.p99}


@frozen
class Memory:
    """Resident bytes of the process that answers, around requests that are made at once."""

    server: str
    at_rest: int
    peak: int

    @property
    def growth(self) -> int:
        """What the requests took."""
        return self.peak - self.at_rest


@frozen
class Recovery:
    """What a fault of the upstream came to, and the request after it."""

    what: str
    expected: str
    got: str

    @property
    def is_ok(self) -> bool:
        """Whether it was as it should be."""
        return self.got == self.expected


@frozen
class Target:
    """Something that is wanted of the pool, and what it came to."""

    what: str
    figure: str
    is_met: bool


@frozen(kw_only=True)
class Result:
    """A whole run. `load`: what sent the requests; `reuse`: of /http_pool/stats, by upstream."""

    machine: Machine
    begun: str
    seconds: float
    rounds: int
    load: str
    simultaneous: int
    figures: Sequence[Figures]
    memory: Sequence[Memory]
    crowd: Figures
    reuse: Mapping[str, Mapping[str, Any]]
    recoveries: Sequence[Recovery]

    @property
    def cases(self) -> list[Case]:
        """Each once."""
        return list(dict.fromkeys(item.case for item in self.figures))

    @property
    def servers(self) -> tuple[str, ...]:
        """Each once, as they were asked."""
        return tuple(dict.fromkeys(item.server for item in self.figures))

    def of(self, server: str, case: Case) -> Figures:
        """The figures of a server."""
        return next(item for item in self.figures if (item.server, item.case) == (server, case))

    def times(self, server: str, case: Case) -> float:
        """How many times as many requests a second the pool answers."""
        return self.of(POOLED, case).rate / self.of(server, case).rate

    def memory_of(self, server: str) -> Memory:
        """The memory of a server."""
        return next(item for item in self.memory if item.server == server)

    def instant(self, upstream: str) -> list[Case]:
        """The cases where the upstream does not tarry."""
        return [item for item in self.cases if (item.upstream, item.path) == (upstream, "instant")]

    def as_json(self) -> dict[str, Any]:
        """All the numbers; times in seconds, memory in bytes."""
        return {
            "begun": self.begun,
            "machine": asdict(self.machine),
            "seconds": self.seconds,
            "rounds": self.rounds,
            "load": self.load,
            "simultaneous": self.simultaneous,
            "figures": [item.as_json() for item in self.figures],
            "memory": [{**asdict(item), "growth": item.growth} for item in self.memory],
            "crowd": self.crowd.as_json(),
            "reuse": dict(self.reuse),
            "recoveries": [
                {**asdict(recovery), "is_ok": recovery.is_ok} for recovery in self.recoveries
            ],
            "targets": [asdict(target) for target in targets(self)],
        }


def targets(result: Result) -> Iterator[Target]:
    """What is wanted, and whether it is so."""
    plain, tls = result.instant("plain"), result.instant("tls")
    yield _quicker(result, PER_REQUEST, plain, _OF_PER_REQUEST)
    yield _quicker(result, SHARED_TLS, plain, _OF_SHARED_TLS)
    yield _quicker(result, SHARED_TLS, tls, _OF_SHARED_TLS)
    yield _quicker(result, FASTAPI, plain, 1)
    yield _latency(result)
    yield _held(result)
    yield _memory(result)
    yield _crowd(result)
    failed = sum(sum(item.failures.values()) for item in result.figures if item.server == POOLED)
    yield Target("no request fails, pooled", f"{failed} failed", not failed)
    bad = sum(not recovery.is_ok for recovery in result.recoveries)
    yield Target("each fault is told and got over", f"{bad} were not", not bad)


def _quicker(result: Result, server: str, cases: Sequence[Case], required: int) -> Target:
    """In each of the cases by itself."""
    times = {case: result.times(server, case) for case in cases}
    what = f"ahead of {server}" if required == 1 else f"at least {required} times {server}"
    scheme = str(cases[0]).partition(",")[0]
    figure = "  ".join(f"{ratio:.1f} ({case.clients})" for case, ratio in times.items())
    is_met = all(ratio > 1 and ratio >= required for ratio in times.values())
    return Target(f"{what}, {scheme}", f"times (clients): {figure}", is_met)


def _latency(result: Result) -> Target:
    saved = {
        case: 1 - result.of(POOLED, case).p50 / result.of(PER_REQUEST, case).p50
        for case in result.cases
    }
    least = min(saved, key=lambda case: saved[case])
    what = f"p50 at least {_LESS_LATENCY:.0%} below {PER_REQUEST}"
    figure = f"{max(saved.values()):.0%} at best, {saved[least]:.0%} at worst ({least})"
    return Target(what, figure, saved[least] >= _LESS_LATENCY)


def _held(result: Result) -> Target:
    (case,) = [item for item in result.cases if item.path == "held"]
    rate = result.of(POOLED, case).rate
    figure = f"{rate:,.0f}/s, {result.times(FASTAPI, case):.1f} times {FASTAPI}"
    return Target(f"at least {_HELD_RATE}/s, {case}", figure, rate >= _HELD_RATE)


def _memory(result: Result) -> Target:
    pooled, other = result.memory_of(POOLED), result.memory_of(PER_REQUEST)
    saved = 1 - pooled.growth / max(other.growth, 1)
    what = f"memory grows at least {_LESS_MEMORY:.0%} less than {PER_REQUEST}"
    return Target(what, f"{saved:.0%} less", saved >= _LESS_MEMORY)


def _crowd(result: Result) -> Target:
    crowd, failed = result.crowd, sum(result.crowd.failures.values())
    figure = f"{crowd.answered} answered, {failed} failed"
    is_met = not failed and crowd.answered >= crowd.case.clients
    return Target(f"{crowd.case.clients} clients at once without an error", figure, is_met)
