"""Durations that are given, as floats of milliseconds."""

from __future__ import annotations

from decimal import Decimal
from math import nan
from numbers import Real
from typing import Any

from monitoring.recording.buckets import LONGEST_SECONDS
from orchestrator.errors import InvalidMeasure

_LONGEST_MS = LONGEST_SECONDS * 1000


def milliseconds(duration_ms: object) -> float:
    """The number as a float; one that no float is as large as counts as twelve days.

    Raises:
        InvalidMeasure: it is no number.
    """
    if not isinstance(duration_ms, Real | Decimal) or isinstance(duration_ms, bool):
        message = f"duration_ms must be a number of milliseconds, not {duration_ms!r:.80}"
        raise InvalidMeasure(message)
    try:
        return float(duration_ms)
    except OverflowError:
        return -_LONGEST_MS if _is_negative(duration_ms) else _LONGEST_MS
    except ValueError:
        return nan


def _is_negative(number: Any) -> bool:
    return bool(number < 0)
