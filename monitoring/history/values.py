"""The values that the history adds up, as texts: counts, and durations (`orchestrator.tally.fields`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from orchestrator.tally import fields
from orchestrator.tally.names import OTHER

KINDS = ("outcome", "event", "error", "call", "wait")
_TIMED = ('["call",', '["wait",')
# No number is so long that a sum of thousands of them would not fit into 64 bits.
_COUNT = re.compile(r"\d{1,15}", re.ASCII)
_DURATIONS = re.compile(r"\d{1,15} \d{1,30} \d{1,15} \d{1,15}(?: -?\d{1,4} \d{1,15})*+", re.ASCII)
_HEAD = 4

# The same fields come minute after minute.
_parts = lru_cache(maxsize=20_000)(fields.parts)


def is_timed(field: str) -> bool:
    """Whether a field holds durations."""
    return field.startswith(_TIMED)


def is_readable(field: str, value: str) -> bool:
    """Whether a field's value is what it should be."""
    return (_DURATIONS if is_timed(field) else _COUNT).fullmatch(value) is not None


def is_field(field: str) -> bool:
    """Whether it says of what it is a count, in a way that is known here."""
    parts = _parts(field)
    return len(parts) > 1 and parts[0] in KINDS


def labels(field: str) -> tuple[str, ...]:
    """What it is a count of, without the kind."""
    return _parts(field)[1:]


def rest_of(field: str) -> str:
    """What counts instead of a field where there are too many."""
    kind, *labels = fields.parts(field)
    if kind == "outcome":
        return fields.field(kind, OTHER, OTHER, *labels[2:])
    if kind == "event":
        return fields.field(kind, labels[0], OTHER)
    if kind == "call":
        return fields.field(kind, OTHER, OTHER, labels[-1])
    return fields.field(kind, *(OTHER for _ in labels))


def added(values: Sequence[str]) -> str:
    """The sum of one field's values."""
    if len(values) == 1:
        return values[0]
    return _durations(values) if " " in values[0] else str(sum(map(int, values)))


def _durations(values: Sequence[str]) -> str:
    count = micros = most = 0
    least: int | None = None
    tails = []
    for value in values:
        some, sum_, shortest, longest, *tail = value.split(" ", _HEAD)
        if some == "0":
            continue
        count += int(some)
        micros += int(sum_)
        least = int(shortest) if least is None else min(least, int(shortest))
        most = max(most, int(longest))
        tails += tail
    return " ".join([f"{count} {micros} {least or 0} {most}", *_buckets(tails)])


def _buckets(tails: Sequence[str]) -> list[str]:
    """Indices with their counts together; in C, since an hour of a large fleet has millions of them."""
    if not tails:
        return []
    numbers = np.fromstring(" ".join(tails), dtype=np.int64, sep=" ")
    indices, counts = numbers[::2], numbers[1::2]
    first = int(indices.min())
    sums = np.zeros(int(indices.max()) - first + 1, dtype=np.int64)
    np.add.at(sums, indices - first, counts)
    (filled,) = sums.nonzero()
    return [
        f"{first + index} {number}"
        for index, number in zip(filled.tolist(), sums[filled].tolist(), strict=True)
    ]
