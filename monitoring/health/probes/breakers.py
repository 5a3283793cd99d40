"""Is every circuit closed, and which tasks wait for one that is not?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from redis.exceptions import RedisError

from monitoring.health.registry import health_check
from monitoring.health.verdict import Degraded, Unhealthy
from orchestrator import redis, settings
from orchestrator.breaker.outlook import outlook
from orchestrator.breaker.state import State
from orchestrator.breaker.store import Store
from orchestrator.relay import broker
from orchestrator.transport import asides
from orchestrator.transport.asides import Waiting
from orchestrator.transport.keys import Keys

_TIMEOUT_SECONDS = 3.0
# A sentence has room for so many.
_MOST_TOLD = 3


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
            states = store.read(sorted({*store.names(), *(each.breaker for each in waiting)}))
    except (RedisError, OSError) as error:
        raise Unhealthy(f"unknown, Redis does not answer: {error}") from error
    return judge(states, waiting, time.time())


def judge(states: Sequence[State], waiting: Sequence[Waiting], now: float) -> str | Degraded:
    """What the circuits, and the tasks that wait for them, mean; the states were read at `now`."""
    tasks = {each.breaker: each for each in waiting}
    out = [state for state in states if state.is_out]
    if out:
        # Those that most tasks wait for come first.
        out.sort(key=lambda state: -tasks[state.name].messages if state.name in tasks else 0)
        told = [_tell(state, tasks, now) for state in out[:_MOST_TOLD]]
        return Degraded("; ".join([*told, *_others(len(out) - _MOST_TOLD, "circuits are not closed")]))
    if not states:
        return "none is in use"
    told = [f"{each.breaker!r}: {_wait(each, now)}" for each in waiting[:_MOST_TOLD]]
    rest = _others(len(waiting) - _MOST_TOLD, "have tasks that wait")
    return "; ".join(["every circuit lets calls through", *told, *rest])


def _tell(state: State, tasks: Mapping[str, Waiting], now: float) -> str:
    waits = _wait(tasks[state.name], now) if state.name in tasks else "no task waits for it"
    return f"{state.name!r} is {outlook(state, now)}: {waits}"


def _wait(waiting: Waiting, now: float) -> str:
    number = waiting.messages
    count = f"{number:,} task{'' if number == 1 else 's'} wait{'s' if number == 1 else ''} for it"
    if waiting.since is None:
        return count
    seconds = max(0.0, now - waiting.since)
    return f"{count}, {'' if number == 1 else 'the first '}for {seconds:.0f} s"


def _others(number: int, what: str) -> list[str]:
    return [f"{number:,} more {what}"] if number > 0 else []
