"""The broker's clock, as this process knows it: how long a message has waited is the same on every host."""

from __future__ import annotations

import time
from collections.abc import Sequence

# How much later it is there.
_ahead_seconds = 0.0


def now() -> float:
    """Unix seconds of the broker; of this host, until the broker's were heard."""
    return time.time() + _ahead_seconds


def hear(told: Sequence[int]) -> None:
    """Take in what the broker has just answered to TIME: seconds and microseconds."""
    global _ahead_seconds  # noqa: PLW0603 (a process has one broker)
    _ahead_seconds = told[0] + told[1] / 1_000_000 - time.time()
