"""The circuits of all breakers that are in use, and for how long each has not been closed."""

from __future__ import annotations

import time
from collections.abc import Iterable

from redis import Redis

from monitoring.fleet.figures import BreakerFigures
from orchestrator.breaker.details import Details
from orchestrator.breaker.outlook import outlook
from orchestrator.breaker.state import State
from orchestrator.breaker.store import Store

# A process that calls says so at least once an hour: then nobody has called for an hour, or for longer.
_UNUSED_SECONDS = 2 * 3600.0
# So many that are not closed are looked at one by one, and so many transitions for when they began to be so.
_MOST_OUT, _MOST_TRANSITIONS = 100, 2000


def figures(client: Redis, prefix: str) -> dict[str, BreakerFigures]:
    """Each breaker's circuit.

    Raises:
        redis.exceptions.RedisError: Redis does not answer.
    """
    store = Store(client, prefix)
    seen = store.seen()
    states = store.read(sorted(seen))
    out = [state for state in states if state.is_out]
    began = _began(store, [state.name for state in out])
    now = time.time()
    found = {state.name: BreakerFigures("closed") for state in states}
    for number, state in enumerate(out):
        details = store.details(state.name) if number < _MOST_OUT else None
        found[state.name] = BreakerFigures(
            "open" if state.mode == "isolated" or state.circuit == "open" else "half_open",
            _open_seconds(state, details, began),
            f"is {outlook(state, now)}",
            _is_unused(state, details, now - seen[state.name]),
        )
    return found


def _open_seconds(state: State, details: Details | None, began: dict[str, float]) -> float | None:
    """Since it was last closed: between two probes it opens again and again."""
    if details is None:
        return None
    starts = [details.mode_at] if state.mode == "isolated" else [details.since, began.get(state.name, 0.0)]
    known = [at for at in starts if at]
    return max(0.0, details.now - min(known)) if known else None


def _began(store: Store, names: Iterable[str]) -> dict[str, float]:
    """When each of these circuits left its closed state last, as far as the history reaches."""
    wanted = set(names)
    found: dict[str, float] = {}
    if not wanted:
        return found
    for transition in store.history(most=_MOST_TRANSITIONS):
        if transition.name in wanted and transition.before == "closed":
            found.setdefault(transition.name, transition.at)
    return found


def _is_unused(state: State, details: Details | None, idle_seconds: float) -> bool:
    """Whether the next call could close it, and nobody has called for hours: who used it may be gone."""
    is_deliberate = details is not None and details.why.startswith("by hand")
    could_close = state.mode == "auto" and state.left_seconds <= 0
    return could_close and idle_seconds > _UNUSED_SECONDS and not is_deliberate
