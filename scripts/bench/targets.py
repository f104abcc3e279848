"""What is wanted of this server, as ratios and differences of one run."""

from collections.abc import Callable, Iterator, Sequence

from attrs import frozen
from bench.cases import (
    BY_HAND,
    DISABLED,
    EVENTS,
    FIRST,
    MANY,
    MIX,
    PACE,
    STARTED,
    STREAMED,
    STREAMS,
    WHOLE,
    Found,
    Plan,
    of_clients,
)
from bench.common import percentile
from bench.series import Figure, Series, by_round, lags, later

_MS = 1e-3


@frozen
class Target:
    """Something that is wanted, and what it came to."""

    what: str
    figure: str
    is_met: bool


@frozen
class Results:
    """All that was found."""

    found: Sequence[Series | Figure]

    def series(self, case: str, contender: str) -> Series:
        """Raises `KeyError` where it was not measured."""
        for result in self.found:
            if isinstance(result, Series) and (result.case, result.contender) == (case, contender):
                return result
        raise KeyError(case)

    def figure(self, case: str, name: str) -> float:
        """Likewise; the first whose name begins so."""
        for result in self.found:
            if isinstance(result, Figure) and result.case == case and result.name.startswith(name):
                return result.value
        raise KeyError(case)


def targets(found: Found) -> Iterator[Target]:
    """Those that can be told from what was measured."""
    results = Results(found)
    for target in _TARGETS:
        try:
            yield target(results)
        except KeyError:
            continue
        except (ArithmeticError, IndexError, ValueError) as error:  # somebody answered nothing
            name = target.__name__.strip("_").replace("_", " ")
            yield Target(name, f"cannot be told: {error}", is_met=False)


def _at_most(what: str, value: float, limit: float, unit: str = "ms") -> Target:
    return Target(what, f"{value:.1f} {unit}", value <= limit)


def _at_least(what: str, value: float, limit: float) -> Target:
    return Target(what, f"{value:.2f} times", value >= limit)


_SHORT = "latency, short answers"


def _whole(results: Results) -> Target:
    ours, limit = results.series(_SHORT, WHOLE), results.series(_SHORT, BY_HAND)
    what = "a whole answer at most 3 ms later than by hand (p50)"
    return _at_most(what, later(ours, limit, "whole") / _MS, 3)


def _first_byte(results: Results) -> Target:
    ours, limit = results.series(_SHORT, STREAMED), results.series(_SHORT, BY_HAND)
    what = "the first streamed byte at most 2 ms later (p50)"
    return _at_most(what, later(ours, limit, "first") / _MS, 2)


def _last_byte(results: Results) -> Target:
    ours, limit = results.series(_SHORT, STREAMED), results.series(_SHORT, BY_HAND)
    what = "the last streamed byte at most 3 ms later (p50)"
    return _at_most(what, later(ours, limit, "whole") / _MS, 3)


def _saturated(results: Results) -> Target:
    case = "throughput, 2 processes"
    limit = results.series(case, BY_HAND)
    ratios = {
        name: by_round(
            results.series(case, f"{name}, {of_clients(4)}"),
            limit,
            lambda ours, raw: ours["rate"] / raw["rate"],
        )
        for name in (WHOLE, STREAMED)
    }
    figure = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
    what = "2 processes saturated: at least 0.90 of the turns by hand"
    return Target(what, figure, min(ratios.values()) >= 0.9)  # noqa: PLR2004 - said beside it


def _pace(results: Results) -> Target:
    case = f"pace, {STREAMS} streams"
    ours = lags(results.series(case, STREAMED).rounds, PACE)
    limit = lags(results.series(case, BY_HAND).rounds, PACE)
    p50, p99 = (
        (percentile(ours, share) - percentile(limit, share)) / _MS for share in (0.5, 0.99)
    )
    what = "16 streams keep their pace: 2 ms later by p50, 10 ms by p99, at most"
    return Target(what, f"{p50:.1f} ms, {p99:.1f} ms", p50 <= 2 and p99 <= 10)  # noqa: PLR2004


def _quicker(results: Results) -> Target:
    pooled, other = (results.series("modes, 1 client", name) for name in ("pooled", DISABLED))
    what = "at least 8 times quicker than a process a request (p50)"
    return _at_least(what, other.p50("whole") / pooled.p50("whole"), 8)


def _more(results: Results) -> Target:
    pooled, other = (results.series("modes, 4 clients", name) for name in ("pooled", DISABLED))
    what = "at least 5 times the answers of a process a request"
    return _at_least(what, pooled.rate / other.rate, 5)


_PROMPTS = "prompts, 1 client"


def _new_prompt(results: Results) -> Target:
    new, same, limit, other = (
        results.series(_PROMPTS, name).p50("whole")
        for name in ("new each time", "the same", f"new each time, {BY_HAND}", DISABLED)
    )
    what = "a new system prompt: 3 times the same, 1.2 by hand, 0.2 a process a request, at most"
    figure = f"{new / same:.2f}, {new / limit:.2f}, {new / other:.2f}"
    met = new <= 3 * same and new <= 1.2 * limit and new <= 0.2 * other
    return Target(what, figure, met)


def _mixed(results: Results, count: int) -> list[float]:
    """The answers with so many prompts as a share of those with one, by the processes."""
    found = []
    for processes in Plan().mixed:
        case = f"mix, {processes} processes, 4 clients"
        most = results.series(case, "1 prompt").rate
        found.append(results.series(case, f"{count} prompts").rate / most)
    return found


def _of_mixed(results: Results, count: int, least: float) -> Target:
    shares = _mixed(results, count)
    sizes = " and ".join(map(str, Plan().mixed))
    what = f"{count} prompts at random, {sizes} processes: at least {least} of one prompt's"
    return Target(what, ", ".join(f"{share:.2f}" for share in shares), min(shares) >= least)


def _some_prompts(results: Results) -> Target:
    return _of_mixed(results, MIX, 0.8)


def _many_prompts(results: Results) -> Target:
    return _of_mixed(results, MANY, 0.5)


def _no_boots(results: Results) -> Target:
    boots = sum(
        result.value
        for result in results.found
        if isinstance(result, Figure) and result.name == STARTED
    )
    _mixed(results, MIX)  # else nothing is known
    return Target("no process is started for a prompt", f"{boots:.0f}", boots == 0)


def _chat(results: Results) -> Target:
    case = f"chat, turn {Plan().chat}"
    ours, limit, first = (
        results.series(case, name).p50("whole") for name in (WHOLE, BY_HAND, FIRST)
    )
    what = f"the next request of a chat of {Plan().chat} turns: 1.2 by hand, 2 times a first turn"
    figure = f"{ours / limit:.2f}, {ours / first:.2f}"
    return Target(what, figure, ours <= 1.2 * limit and ours <= 2 * first)


def _loop(results: Results) -> Target:
    case = f"an agent's loop, turn {Plan().chat}"
    ours, first = (results.series(case, name).p50("whole") for name in (WHOLE, FIRST))
    what = "a request of an agent's loop of 10 calls: 4 times a first turn at most"
    return Target(what, f"{ours / first:.2f}", ours <= 4 * first)


def _pool(results: Results) -> Target:
    first, many = (results.figure("pool", f"a turn, {count}") for count in ("1 w", "10,000"))
    scale = first / results.figure("pool", "for scale")
    what = "the pool's own cost at most 50 µs a turn, and 1.2 times that with 10,000 waiters"
    figure = f"{first:.0f} µs ({scale:.0f} checkpoints), {many / first:.2f} times"
    return Target(what, figure, first <= 50 and many / first <= 1.2)  # noqa: PLR2004


def _long_answer(results: Results) -> Target:
    series = results.series("latency, long answers", STREAMED)
    cpu = sorted(series.cpu)[len(series.cpu) // 2]
    return _at_most(f"{EVENTS} events cost the server at most 5 ms of CPU", cpu / _MS, 5)


def _at_rest(results: Results) -> Target:
    value = results.figure("memory", "server at rest")
    return _at_most("the server holds at most 60 MB at rest", value, 60, "MB")


def _flat(results: Results) -> Target:
    sizes = [
        result.value
        for result in results.found
        if isinstance(result, Figure) and result.name.startswith("server after")
    ]
    if not sizes:
        raise KeyError("memory")
    what = "and is flat: at most 2 MB more at the end than after a fifth of the turns"
    return _at_most(what, sizes[-1] - sizes[0], 2, "MB")


_TARGETS: tuple[Callable[[Results], Target], ...] = (
    _whole,
    _first_byte,
    _last_byte,
    _saturated,
    _pace,
    _quicker,
    _more,
    _new_prompt,
    _some_prompts,
    _many_prompts,
    _no_boots,
    _chat,
    _loop,
    _pool,
    _long_answer,
    _at_rest,
    _flat,
)
