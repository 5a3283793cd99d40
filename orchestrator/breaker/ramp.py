"""How traffic comes back once a circuit has closed: from a tenth to all of it, and what waited at a rate."""

from __future__ import annotations

from dataclasses import replace
from math import floor

from orchestrator.breaker.record import Record
from orchestrator.policy import Policy

# What may go at once, where nobody asked for a while: this long's worth of the rate, but one at least.
BURST_SECONDS = 0.25
# Allowances are whole millionths of a task, so that little is lost, however often one is asked for.
_TASK = 1_000_000
_FIRST_SHARE = 0.1


def ramp_share(policy: Policy, ramp_left: float) -> float:
    """Which part of the calls is let in when `ramp_left` seconds of the ramp are left: a tenth to 1."""
    if ramp_left <= 0 or policy.ramp_seconds <= 0:
        return 1.0
    gone = 1 - min(1.0, ramp_left / policy.ramp_seconds)
    return _FIRST_SHARE + (1 - _FIRST_SHARE) * gone


def filled(record: Record, policy: Policy, at: int) -> Record:
    """The record with its allowance as it is at `at`: it grows at the ramp's rate, up to a burst."""
    rate = policy.ramp_per_second * ramp_share(policy, (record.ramp_until - at) / 1000)
    grown = floor(rate * (at - record.filled_at) * (_TASK // 1000))
    if grown <= 0:
        # A clock that was set back counts from where it is now; else the fraction is waited for.
        return replace(record, filled_at=min(record.filled_at, at))
    most = floor(max(1.0, rate * BURST_SECONDS) * _TASK)
    return replace(record, allowance=min(most, record.allowance + grown), filled_at=at)


def spent(record: Record, wanted: int) -> tuple[Record, int]:
    """The record without what goes now, and how many of those wanted that are."""
    count = min(wanted, record.allowance // _TASK)
    return replace(record, allowance=record.allowance - count * _TASK), count
