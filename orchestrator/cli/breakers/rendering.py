"""How a breaker looks, in words. Whoever prints them masks what is secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator import times

if TYPE_CHECKING:
    from orchestrator.breaker.details import Details
    from orchestrator.breaker.state import State
    from orchestrator.breaker.transition import Transition
    from orchestrator.policy import Policy

_BY_ITSELF = {"auto": "by itself"}


def standing(state: State) -> str:
    """What it does now, and for how long: as in `open, the next probe in 30s`."""
    from orchestrator.breaker.words import word

    more = outlook(state)
    return f"{word(state)}, {more}" if more else word(state)


def outlook(state: State) -> str:
    """How long it stays so, as far as that is known; nothing of a circuit that is closed."""
    if state.mode != "auto":
        left = state.mode_left_seconds
        held = "until it is changed" if left is None else f"for {times.length(left)}"
        is_told = state.mode == "shadow" and state.circuit != "closed"
        return f"{held} (would be {_named(state.circuit)})" if is_told else held
    if state.circuit != "closed":
        left = state.left_seconds
        return f"the next probe in {times.length(left)}" if left > 0 else "a probe is due"
    return f"for {times.length(state.ramp_left_seconds)}" if state.ramp_left_seconds > 0 else ""


def in_a_row(details: Details) -> str:
    """Failures in a row, and how many of them open it, as in `2/5`."""
    most = details.policy.failure_threshold
    return f"{details.failures:,}" if most is None else f"{details.failures:,}/{most:,}"


def window(details: Details) -> str:
    """Which part of the window failed, and which part opens it, as in `8%/50% of 40`; also of slow ones."""
    policy, calls = details.policy, details.ok + details.failed
    failed = _part(details.failed, calls, policy.failure_rate)
    slow = (
        f", {_part(details.slow, calls, policy.slow_rate)} slow" if policy.slow_rate or details.slow else ""
    )
    return f"{failed}{slow} of {calls:,}" if calls else "-"


def _part(number: int, calls: int, most: float | None) -> str:
    return f"{number / max(calls, 1):.0%}" if most is None else f"{number / max(calls, 1):.0%}/{most:.0%}"


def trips_on(policy: Policy) -> str:
    """The policy's conditions and open times in a few words."""
    length = times.length(policy.window_seconds)
    conditions = [
        f"{policy.failure_threshold} in a row" if policy.failure_threshold else "",
        f"{policy.failure_rate:.0%} of ≥{policy.minimum_calls} in {length}" if policy.failure_rate else "",
        f"{policy.slow_rate:.0%} slow (≥{times.length(policy.slow_seconds)})" if policy.slow_rate else "",
    ]
    opens = f"open {times.length(policy.open_seconds)} to {times.length(policy.open_cap_seconds)}"
    return f"{' or '.join(filter(None, conditions))}; {opens}"


def by_hand(details: Details) -> str:
    """Who has set the mode, and why; empty where nobody has."""
    if details.state.mode == "auto":
        return ""
    why = details.mode_why.removeprefix("by hand").removeprefix(": ")
    return f"by {details.mode_who or 'somebody'}{f': {why}' if why else ''}"


def change(each: Transition) -> str:
    """What changed, for whom and why, in a line."""
    who = f" (by {each.who})" if each.who else ""
    error = f": {each.error}" if each.error else ""
    return f"{_named(each.before)} → {_named(each.after)}  {each.why}{error}{who}"


def _named(side: str) -> str:
    return _BY_ITSELF.get(side, side.replace("_", "-"))
