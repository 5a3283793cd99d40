"""How a circuit opens, and for how long, and how it closes: each time in a new epoch."""

from __future__ import annotations

from dataclasses import replace
from math import floor

from orchestrator.breaker.record import Record, milliseconds
from orchestrator.policy import Policy
from orchestrator.retry.healing import LONGEST_RETRY_AFTER_SECONDS

# So many doublings bring the shortest open time (1 ms) to the longest cap (ten years).
_MOST_DOUBLINGS = 60


def tripped(
    record: Record, policy: Policy, at: int, chance: float, why: str, *, asked_seconds: float = 0.0
) -> Record:
    """Open, for as long as its trips and chance say, and as the dependency has asked for, up to an hour."""
    trips = _trips(record, policy, at)
    asked = milliseconds(min(asked_seconds, LONGEST_RETRY_AFTER_SECONDS))
    return replace(
        record,
        circuit="open",
        epoch=record.epoch + 1,
        why=why,
        failures=0,
        window=(),
        trips=trips,
        until=at + max(asked, open_ms(policy, trips, chance)),
        leases={},
        succeeded=0,
        ramp_until=0,
    )


def _trips(record: Record, policy: Policy, at: int) -> int:
    if record.circuit == "open":
        return record.trips  # opened once more, by hand
    stable = record.circuit == "closed" and at - record.closed_at >= milliseconds(policy.open_cap_seconds)
    return 1 if stable else record.trips + 1


def open_ms(policy: Policy, trips: int, chance: float) -> int:
    """How long it stays open after so many trips in a row."""
    doubled = milliseconds(policy.open_seconds) * 2.0 ** min(trips - 1, _MOST_DOUBLINGS)
    return floor(min(doubled, milliseconds(policy.open_cap_seconds)) * (1 + policy.open_jitter * chance))


def closed(record: Record, at: int, why: str) -> Record:
    """Closed, with all counts cleared but that of its trips: it may well open again soon."""
    return Record(
        name=record.name,
        born=record.born,
        epoch=record.epoch + 1,
        why=why,
        trips=record.trips,
        closed_at=at,
        filled_at=at,
        mode=record.mode,
        mode_until=record.mode_until,
    )
