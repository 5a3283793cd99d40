"""Exponential backoff with full jitter."""

from random import Random

MULTIPLIER = 2.0


def delay_seconds(retries: int, base_seconds: float, cap_seconds: float, random: Random) -> float:
    """How long to wait before the next attempt, after `retries` retries so far (0 before the first).

    Full jitter spreads a crowd of failures evenly over the whole window, so that they do not come back as
    the same crowd (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
    """
    return random.uniform(0.0, ceiling_seconds(retries, base_seconds, cap_seconds))


def ceiling_seconds(retries: int, base_seconds: float, cap_seconds: float) -> float:
    """The longest wait that `delay_seconds` can choose."""
    # 2.0 ** 1024 overflows; the cap is long reached by then.
    return min(cap_seconds, base_seconds * MULTIPLIER ** min(retries, 1000))
