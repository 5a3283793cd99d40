"""Breakers as JSON tells of them: lengths in seconds, moments in ISO 8601, and null for what never was."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from orchestrator import times
from orchestrator.breaker.details import Details
from orchestrator.breaker.state import State
from orchestrator.breaker.transition import Transition
from orchestrator.breaker.words import word

_MOMENTS = ("since", "tripped_at", "error_at", "mode_at", "seen_at", "now")


def state(told: State) -> dict[str, Any]:
    """The state; `word` is what a person calls it, `policy_id` the fingerprint of the fleet's policy."""
    fields = asdict(told) | {"word": word(told), "born": times.iso(told.born / 1000)}
    # By that processes tell their own trips from those of others; it says nothing to anybody else.
    del fields["opened_by"]
    return fields | {"policy_id": fields.pop("policy")}


def details(told: Details, waiting: int | None) -> dict[str, Any]:
    """All that is known of it, the state's fields beside the others; `waiting`: the tasks set aside."""
    fields = asdict(told) | {moment: times.iso(getattr(told, moment)) for moment in _MOMENTS}
    del fields["state"]
    calls = told.ok + told.failed
    counted = {"calls": calls, "failure_rate": round(told.failed / calls, 4) if calls else None}
    return state(told.state) | fields | {"policy": told.policy.model_dump(), "waiting": waiting} | counted


def transition(told: Transition) -> dict[str, Any]:
    """One line of the history."""
    return asdict(told) | {"at": times.iso(told.at)}
