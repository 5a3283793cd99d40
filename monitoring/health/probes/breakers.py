"""Is every circuit closed, and which tasks wait for one that is not?"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from monitoring.health.registry import health_check
from monitoring.health.verdict import Degraded, Unhealthy
from orchestrator import broker, redis, settings, times
from orchestrator.breaker.outlook import outlook
from orchestrator.breaker.state import State
from orchestrator.breaker.store import Store
from orchestrator.transport import asides
from orchestrator.transport.asides import Waiting
from orchestrator.transport.keys import Keys

_TIMEOUT_SECONDS = 3.0
# A sentence has room for so many.
_MOST_TOLD = 3
# A process that calls says so at least once an hour: then nobody has called for an hour, or for longer.
_UNUSED_SECONDS = 2 * 3600.0
_MOST_UNUSED = 100
_BY_HAND = "by hand"


@dataclass(frozen=True)
class Unused:
    """A circuit that the next call can close, for which nothing waits, and that had no call for long."""

    seconds: float
    """How long nobody has said that it is used."""
    is_deliberate: bool
    """Whether somebody has opened it by hand."""


@health_check("breakers")
def check_breakers() -> str | Degraded:
    """Read every breaker's state, and count what waits for it."""
    chosen = settings.current()
    about: dict[str, Any] = {"timeout_seconds": _TIMEOUT_SECONDS, "retries": 0}
    try:
        with broker.client(chosen, **about) as client:
            waiting = asides.waiting(client, Keys(chosen.key_prefix))
        with redis.connect(chosen.redis_url, **about) as client:
            store = Store(client, chosen.key_prefix)
            # What waits may outlive the registration of what it waits for.
            seen = store.seen()
            states = store.read(sorted({*seen, *(each.breaker for each in waiting)}))
            unused = _unused(store, states, seen, waiting)
    except (RedisError, OSError) as error:
        raise Unhealthy(f"unknown, Redis does not answer: {error}") from error
    return judge(states, waiting, time.time(), unused)


def judge(
    states: Sequence[State], waiting: Sequence[Waiting], now: float, unused: Mapping[str, Unused]
) -> str | Degraded:
    """What the circuits, and the tasks that wait for them, mean; the states were read at `now`.

    One that is not used any more is no trouble, unless somebody has opened it on purpose.
    """
    tasks = {each.breaker: each for each in waiting}
    gone = [name for name, each in unused.items() if not each.is_deliberate]
    out = [state for state in states if state.is_out and state.name not in gone]
    if out:
        # Those that most tasks wait for come first.
        out.sort(key=lambda state: -tasks[state.name].messages if state.name in tasks else 0)
        told = [_tell(state, tasks, now, unused) for state in out[:_MOST_TOLD]]
        told += _others(len(out) - _MOST_TOLD, "not closed")
        told += [_tell_gone(name, unused[name]) for name in gone[:_MOST_TOLD]]
        return Degraded("; ".join(told))
    if not states:
        return "none is in use"
    told = [f"{each.breaker!r}: {_wait(each, now)}" for each in waiting[:_MOST_TOLD]]
    told += _others(len(waiting) - _MOST_TOLD, "have tasks that wait")
    told += [_tell_gone(name, unused[name]) for name in gone[:_MOST_TOLD]]
    told += _others(len(gone) - _MOST_TOLD, "not closed, and not used either")
    return "; ".join([f"every circuit {'in use ' if gone else ''}lets calls through", *told])


def _unused(
    store: Store, states: Sequence[State], seen: Mapping[str, float], waiting: Sequence[Waiting]
) -> dict[str, Unused]:
    """Those that a call could close by now, with no call for long: whoever used them may be gone for good."""
    awaited, now = {each.breaker for each in waiting}, time.time()
    idle = {
        state.name: now - seen[state.name]
        for state in states
        if state.is_out and state.mode == "auto" and state.left_seconds <= 0 and state.name not in awaited
        if now - seen.get(state.name, now) > _UNUSED_SECONDS
    }
    found = {}
    for name in list(idle)[:_MOST_UNUSED]:
        details = store.details(name)
        if details:
            found[name] = Unused(idle[name], details.why.startswith(_BY_HAND))
    return found


def _tell(state: State, tasks: Mapping[str, Waiting], now: float, unused: Mapping[str, Unused]) -> str:
    waits = _wait(tasks[state.name], now) if state.name in tasks else "no task waits for it"
    if state.name in unused:
        about = unused[state.name]
        waits = (
            f"opened by hand, and not used for {times.length(about.seconds)}; {_reset(state.name)} closes it"
        )
    return f"{state.name!r} is {outlook(state, now)}: {waits}"


def _tell_gone(name: str, about: Unused) -> str:
    idle = times.length(about.seconds)
    return f"{name!r} is not closed, but not used for {idle}: {_reset(name)} if it is gone"


def _reset(name: str) -> str:
    return f"`omninode breakers reset {shlex.quote(name)} --why …`"


def _wait(waiting: Waiting, now: float) -> str:
    number = waiting.messages
    count = f"{number:,} task{'' if number == 1 else 's'} wait{'s' if number == 1 else ''} for it"
    if waiting.since is None:
        return count
    seconds = max(0.0, now - waiting.since)
    return f"{count}, {'' if number == 1 else 'the first '}for {times.length(seconds)}"


def _others(number: int, what: str) -> list[str]:
    return [f"{number:,} more {what}"] if number > 0 else []
