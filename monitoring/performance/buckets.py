"""The grid of durations: bounds at 2^(i/8) seconds, nine percent apart, which merge by addition.

It is that of Prometheus' native histograms of schema 3. Bucket i holds what is above 2^((i-1)/8) and at most
2^(i/8) seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, log2

PER_DOUBLING = 8
# From a microsecond to twelve days; what is shorter or longer goes to the first or the last one.
FIRST, LAST = -160, 160
SHORTEST_SECONDS: float = 2.0 ** (FIRST / PER_DOUBLING)
LONGEST_SECONDS: float = 2.0 ** (LAST / PER_DOUBLING)


def bucket(seconds: float) -> int:
    """Which one holds this duration, of 0 to infinity."""
    if seconds <= SHORTEST_SECONDS:
        return FIRST
    return ceil(log2(seconds) * PER_DOUBLING) if seconds < LONGEST_SECONDS else LAST


def bound_seconds(index: float) -> float:
    """The longest duration that a bucket holds."""
    return float(2.0 ** (index / PER_DOUBLING))


def quantile_seconds(counts: Mapping[int, int], share: float) -> float | None:
    """The duration that this share (0 to 1) of them does not exceed; None where there are none.

    Within a bucket they count as spread evenly on a logarithmic scale: against the exact quantile the error
    is about half a percent, and never more than a bucket, which is nine.
    """
    left = share * sum(counts.values())
    for index, count in sorted(counts.items()):
        if count and left <= count:
            return bound_seconds(index - 1 + left / count)
        left -= count
    # Rounding has left a rest beyond the last one.
    return bound_seconds(max(counts)) if counts else None
