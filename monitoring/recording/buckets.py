"""The grid of durations: bounds at 2^(i/8) seconds, nine percent apart, which merge by addition.

It is that of Prometheus' native histograms of schema 3. Bucket i holds what is above 2^((i-1)/8) and at most
2^(i/8) seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, inf, log2

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


def quantile_seconds(
    counts: Mapping[int, int], share: float, least_seconds: float = 0.0, most_seconds: float = inf
) -> float | None:
    """The duration that this share (0 to 1) of them does not exceed; None where there are none.

    Within a bucket, or the part of it that the least and the longest of them leave, they count as spread
    evenly on a logarithmic scale: of durations that vary the error is about half a percent, and it is never
    more than a bucket, which is nine. It is exact where all are equal.
    """
    left = share * sum(counts.values())
    for index, count in sorted(counts.items()):
        if count and left <= count:
            shortest = max(bound_seconds(index - 1), least_seconds)
            longest = min(bound_seconds(index), most_seconds)
            found = shortest * float((longest / shortest) ** (left / count))
            # What was measured is rounded, and may lie beside its bucket.
            return min(max(found, least_seconds), most_seconds)
        left -= count
    # Rounding has left a rest beyond the last one.
    return min(bound_seconds(max(counts)), most_seconds) if counts else None
