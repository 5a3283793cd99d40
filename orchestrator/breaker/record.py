"""All that is known of one breaker, as numbers: whole milliseconds, as in the hash that Redis keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from orchestrator.breaker.state import Circuit, Mode, State
from orchestrator.breaker.window import Bucket
from orchestrator.policy import Policy


@dataclass(frozen=True, slots=True)
class Record:
    """One breaker; moments are ms of whichever clock is passed in, 0 where there is none."""

    name: str = ""
    born: int = 0
    circuit: Circuit = "closed"
    epoch: int = 0
    version: int = 0
    why: str = ""
    """Why the circuit or the mode changed last."""

    failures: int = 0
    """Closed: in a row, until now."""
    window: tuple[Bucket, ...] = ()
    trips: int = 0
    """How often it has opened since it was last closed for long."""
    until: int = 0
    """Open: from when on a probe is allowed."""
    leases: Mapping[str, int] = field(default_factory=dict)
    """Half-open: the probes' tokens, and when each lease ends."""
    succeeded: int = 0
    """Half-open: probes that went well."""
    closed_at: int = 0
    ramp_until: int = 0
    """Closed: when the ramp ends."""
    allowance: int = 0
    """How many of the tasks that wait may go at once, in millionths of a task."""
    filled_at: int = 0
    """Until when the allowance has been worked out."""

    mode: Mode = "auto"
    mode_until: int = 0
    """When the mode ends; 0: when somebody ends it."""


def milliseconds(seconds: float) -> int:
    """A moment or a length of time as the record keeps it."""
    return round(seconds * 1000)


def current(record: Record, at: int) -> Record:
    """The record without what has ended by itself: leases that nobody renewed, a mode whose time is over."""
    alive = {token: ends for token, ends in record.leases.items() if ends > at}
    if 0 < record.mode_until <= at:
        return replace(record, leases=alive, mode="auto", mode_until=0)
    return replace(record, leases=alive)


def has_free_probe(record: Record, policy: Policy) -> bool:
    """Whether one more probe may be sent; where none is under way always, whatever the policy was before."""
    return not record.leases or len(record.leases) + record.succeeded < policy.probes


def view(record: Record, policy: Policy, now: float) -> State:
    """What is published of the record at `now` seconds."""
    at = milliseconds(now)
    record = current(record, at)
    return State(
        name=record.name,
        circuit=record.circuit,
        born=record.born,
        version=record.version,
        epoch=record.epoch,
        left_seconds=_left(record, policy, at) / 1000,
        ramp_left_seconds=max(0, record.ramp_until - at) / 1000,
        has_failures=record.failures > 0,
        mode=record.mode,
        mode_left_seconds=(record.mode_until - at) / 1000 if record.mode_until else None,
        policy=policy.fingerprint,
        why=record.why,
    )


def adopted(state: State, now: float) -> Record:
    """The record that has this state at `now` seconds: what was only counted so far is not known of it."""
    at = milliseconds(now)
    return Record(
        name=state.name,
        born=state.born,
        circuit=state.circuit,
        epoch=state.epoch,
        version=state.version,
        trips=0 if state.circuit == "closed" else 1,
        until=at + milliseconds(state.left_seconds),
        ramp_until=at + milliseconds(state.ramp_left_seconds),
        mode=state.mode,
        mode_until=0 if state.mode_left_seconds is None else at + milliseconds(state.mode_left_seconds),
    )


def _left(record: Record, policy: Policy, at: int) -> int:
    if record.circuit == "open":
        return max(0, record.until - at)
    if record.circuit == "half_open" and not has_free_probe(record, policy):
        return min(record.leases.values()) - at
    return 0
