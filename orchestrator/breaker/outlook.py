"""Says in words where a circuit is, and when that may change."""

from __future__ import annotations

from orchestrator import times
from orchestrator.breaker.state import State


def outlook(state: State, read_at: float) -> str:
    """Such as "open until 2026-06-01 12:00:30 UTC"; the state was read at `read_at`, in Unix seconds."""
    match state.mode:
        case "isolated":
            return f"isolated by hand{_until_changed(state, read_at)}"
        case "disabled" | "shadow":
            return f"set to {state.mode} by hand{_until_changed(state, read_at)}"
    match state.circuit:
        case "open":
            left = state.left_seconds
            return f"open until {times.moment(read_at + left)}" if left > 0 else "open, and a probe is due"
        case "half_open":
            return f"half-open, and {'a probe is on its way' if state.left_seconds > 0 else 'a probe is due'}"
    if state.ramp_left_seconds > 0:
        return f"closed, and lets more and more in until {times.moment(read_at + state.ramp_left_seconds)}"
    return "closed"


def _until_changed(state: State, read_at: float) -> str:
    if state.mode_left_seconds is None:
        return ", until somebody changes it"
    return f" until {times.moment(read_at + state.mode_left_seconds)}"
