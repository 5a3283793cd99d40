"""From durations to the lines of a histogram in Prometheus' text: those that prometheus_client would write.

It takes eight microseconds for a line, of which a histogram has twenty-two for every labelling.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from operator import itemgetter
from typing import NamedTuple

from monitoring.performance import exposition
from monitoring.recording.buckets import FIRST, LAST, PER_DOUBLING, bound_seconds
from monitoring.recording.sums import Calls

# Every eighth bound of the grid, from 3.9 ms to 17 minutes: the powers of two.
_FIRST_POWER, _LAST_POWER = -8, 10
BOUNDS = [
    (power * PER_DOUBLING, f"{bound_seconds(power * PER_DOUBLING):.10g}")
    for power in range(_FIRST_POWER, _LAST_POWER + 1)
]


def _place(index: int) -> int:
    """Of the first bound that is not below this bucket's own; beyond all of them, of the infinite one."""
    return min(max(-(-index // PER_DOUBLING) - _FIRST_POWER, 0), len(BOUNDS))


_PLACES = {index: _place(index) for index in range(FIRST, LAST + 1)}
# What follows a bucket's labels.
_ENDS = [f'{shown}"}} ' for _, shown in BOUNDS]


class About(NamedTuple):
    """A histogram's name, its help, and its labels' names."""

    name: str
    help: str
    labels: tuple[str, ...]


def text(about: About, durations: Iterable[tuple[tuple[str, ...], Calls]]) -> str:
    """All of its lines, in the order of its labels' values, which come with the durations."""
    lines = [exposition.head(about.name, about.help, "histogram")]
    lines += [_lines(about, values, calls) for values, calls in sorted(durations, key=itemgetter(0))]
    return "".join(lines)


def _lines(about: About, values: tuple[str, ...], calls: Calls) -> str:
    labels = exposition.labels(zip(about.labels, values, strict=True))
    counts = [0] * (len(BOUNDS) + 1)
    for index, count in calls.buckets.items():
        counts[_PLACES[index] if index in _PLACES else _place(index)] += count
    buckets = [f"{end}{sofar}\n" for end, sofar in zip(_ENDS, accumulate(counts), strict=False)]
    return (
        f'{about.name}_bucket{{{labels},le="'.join(["", *buckets, f'+Inf"}} {calls.count}\n'])
        + f"{about.name}_count{{{labels}}} {calls.count}\n"
        + f"{about.name}_sum{{{labels}}} {calls.micros / 1e6!r}\n"
    )
