"""The state machine of a breaker: pure functions from one record to the next, over time and chance passed in.

The scripts in `scripts/` do the same on Redis's clock, for the fleet; `Local` runs it while Redis is away.
Each change raises the record's version by one. `now` is in seconds, `chance` is uniform in [0, 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from orchestrator.breaker.moves import closed, open_ms, tripped
from orchestrator.breaker.ramp import filled, ramp_share, spent
from orchestrator.breaker.record import Record, current, has_free_probe, milliseconds, view
from orchestrator.breaker.report import Report
from orchestrator.breaker.state import Action, Mode
from orchestrator.breaker.window import counted, total
from orchestrator.policy import Policy

__all__ = ["Record", "admit", "control", "ramp_share", "release", "report", "view"]

_MODES: Final[dict[Action, Mode]] = {"isolate": "isolated", "disable": "disabled", "shadow": "shadow"}


def admit(record: Record, policy: Policy, token: str, now: float) -> tuple[Record, bool]:
    """Whether the call may be made that has this token; a probe gets a lease, or has its own renewed.

    While closed every call may: the ramp's chance is the caller's to take. Without a token nothing probes.
    """
    at = milliseconds(now)
    before = current(record, at)
    if before.mode == "isolated":
        return _numbered(before, record, at), False
    if before.mode == "disabled" or before.circuit == "closed":
        return _numbered(before, record, at), True
    after, permitted = _probed(before, policy, token, at)
    return _numbered(after, record, at), permitted or before.mode == "shadow"


def release(record: Record, policy: Policy, ids: Sequence[str], now: float) -> tuple[Record, list[str]]:
    """Which of the tasks that wait may go now: as probes while it is not closed, then at the ramp's rate."""
    at = milliseconds(now)
    after = current(record, at)
    if after.mode == "isolated":
        return _numbered(after, record, at), []
    if after.mode in {"disabled", "shadow"} or after.circuit == "closed":
        after, count = spent(filled(after, policy, at), len(ids))
        return _numbered(after, record, at), list(ids[:count])
    going = []
    for each in ids:
        after, permitted = _probed(after, policy, each, at)
        if permitted:
            going.append(each)
    return _numbered(after, record, at), going


def report(record: Record, policy: Policy, told: Report, now: float, chance: float) -> Record:
    """The record after what is told; another epoch, or a probe without a lease, changes nothing."""
    at = milliseconds(now)
    before = current(record, at)
    after = before
    if told.epoch == before.epoch and before.mode != "disabled":
        if before.circuit == "closed":
            after = _counted(before, policy, told, at, chance)
        elif told.token in before.leases:
            after = _probe_ended(before, policy, told, at, chance)
    return _numbered(after, record, at)


def control(
    record: Record,
    policy: Policy,
    action: Action,
    now: float,
    chance: float,
    *,
    why: str = "",
    seconds: float | None = None,
) -> Record:
    """The record after what was done by hand.

    `seconds` limits an opening, which lasts as long as a first trip's without, or a mode. Opening and closing
    end a mode too: what was said last holds.
    """
    at = milliseconds(now)
    before = current(record, at)
    by_hand = f"by hand: {why}" if why else "by hand"
    if action in _MODES:
        ends = 0 if seconds is None else at + milliseconds(seconds)
        return _numbered(replace(before, mode=_MODES[action], mode_until=ends, why=by_hand), record, at)
    before = replace(before, mode="auto", mode_until=0)
    if action == "close":
        return _numbered(closed(before, at, by_hand), record, at)
    if action == "reset":
        clean = Record(record.name, record.born, epoch=record.epoch + 1, why=by_hand)
        return _numbered(clean, record, at)
    after = tripped(before, policy, at, chance, by_hand)
    length_ms = open_ms(policy, 1, chance) if seconds is None else milliseconds(seconds)
    return _numbered(replace(after, until=at + length_ms), record, at)


def _counted(record: Record, policy: Policy, told: Report, at: int, chance: float) -> Record:
    if not told.ok and not told.earlier and not told.failed:
        return record
    window_ms = milliseconds(policy.window_seconds)
    after = replace(
        record,
        failures=(0 if told.ok else record.failures) + told.failed,
        window=counted(record.window, window_ms, told, at) if policy.counts_calls else (),
    )
    why = _grounds(after, policy, at)
    return tripped(after, policy, at, chance, why, asked_seconds=told.retry_after_seconds) if why else after


def _grounds(record: Record, policy: Policy, at: int) -> str:
    if policy.failure_threshold is not None and record.failures >= policy.failure_threshold:
        return f"{record.failures} failure{'' if record.failures == 1 else 's'} in a row"
    calls = total(record.window, milliseconds(policy.window_seconds), at)
    if calls.calls < policy.minimum_calls:
        return ""
    if policy.failure_rate is not None and calls.failed / calls.calls >= policy.failure_rate:
        return f"{calls.failed} of {calls.calls} calls failed"
    if policy.slow_rate is not None and calls.slow / calls.calls >= policy.slow_rate:
        return f"{calls.slow} of {calls.calls} calls were slow"
    return ""


def _probed(record: Record, policy: Policy, token: str, at: int) -> tuple[Record, bool]:
    if not token or (record.circuit == "open" and at < record.until):
        return record, False
    if record.circuit == "open":
        record = replace(record, circuit="half_open", epoch=record.epoch + 1, why="open time is over")
    if token not in record.leases and not has_free_probe(record, policy):
        return record, False
    ends = at + milliseconds(policy.probe_lease_seconds)
    return replace(record, leases={**record.leases, token: ends}), True


def _probe_ended(record: Record, policy: Policy, told: Report, at: int, chance: float) -> Record:
    if told.failed:
        return tripped(record, policy, at, chance, "probe failed", asked_seconds=told.retry_after_seconds)
    if told.slow and policy.slow_rate is not None:
        return tripped(record, policy, at, chance, "probe was slow", asked_seconds=told.retry_after_seconds)
    leases = {token: ends for token, ends in record.leases.items() if token != told.token}
    succeeded = record.succeeded + (1 if told.ok else 0)
    after = replace(record, leases=leases, succeeded=succeeded)
    if not told.ok or succeeded < policy.probes:
        return after
    ramp_until = at + milliseconds(policy.ramp_seconds)
    return replace(
        closed(after, at, f"{succeeded} of {policy.probes} probes succeeded"), ramp_until=ramp_until
    )


def _numbered(after: Record, before: Record, at: int) -> Record:
    """The record with its number, one higher where it has changed; an allowance that grows is no change."""
    unchanged = replace(
        before,
        leases={token: ends for token, ends in before.leases.items() if ends > at},
        allowance=after.allowance,
        filled_at=after.filled_at,
    )
    return after if after == unchanged else replace(after, version=before.version + 1)
