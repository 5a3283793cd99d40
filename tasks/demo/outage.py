"""The demo's third act: a model's server goes away and returns while it is called, and no call is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestrator import keys, postgres, redis, settings
from orchestrator.breaker import builtin
from orchestrator.breaker.store import Store
from orchestrator.breaker.transition import Transition
from orchestrator.retry import budget
from tasks.demo.endpoint import Endpoint
from tasks.demo.waiting import wait

if TYPE_CHECKING:
    from celery import Celery

    from orchestrator.dev.fleet import Fleet

MODEL = "demo"
BREAKER = builtin.model(MODEL)
CALLS_BEFORE = 20
CALLS_WHILE_AWAY = 100
_FAILURES = 3
# Times of a demo: by default a circuit stays open for 15 seconds first.
_POLICY = {
    "failure_threshold": _FAILURES,
    "open_seconds": 0.5,
    "open_cap_seconds": 1.0,
    "probe_lease_seconds": 10.0,
    "ramp_seconds": 1.0,
    "ramp_per_second": 200.0,
}
_ANSWERED = "SELECT count(DISTINCT task_id) FROM model_calls WHERE model = %s AND outcome = 'ok'"
_DIED = "SELECT count(*) FROM dead_letters WHERE task_id = ANY(%s)"
_MOST_TRANSITIONS = 1000


@dataclass(frozen=True)
class Outage:
    """What the endpoint, PostgreSQL and Redis say of it.

    `reached_while_away` is how many calls the endpoint had to refuse, `at_most` how many that may be: the
    failures that open the circuit, a call in each process, and the probes. `set_aside` is how many waited at
    once. A retry is spent by a call that has reached the endpoint in vain, and by no other. `opened` and
    `closed` are how often the circuit did; `opened_at` is when first, `closed_at` when last (ISO 8601).
    """

    calls: int
    answered: int
    reached_while_away: int
    at_most: int
    probes: int
    set_aside: int
    retries: int
    letters: int
    opened: int
    closed: int
    opened_at: str
    closed_at: str
    open_seconds: float

    def missing(self) -> Iterator[str]:
        """One sentence for each thing that is not as it must be."""
        if self.answered != self.calls:
            yield f"{self.calls} calls of the model {MODEL} were enqueued, {self.answered} were answered"
        if self.reached_while_away > self.at_most:
            yield f"{self.reached_while_away} calls reached a server that was away, and not {self.at_most}"
        if not self.set_aside:
            yield "no call was set aside while the model's server was away"
        if self.retries > self.reached_while_away:
            yield f"{self.retries} retries were spent, though only {self.reached_while_away} calls had failed"
        if self.letters:
            yield f"{self.letters} calls of the model {MODEL} died"
        if not self.opened or not self.closed:
            yield f"the circuit of {BREAKER} opened {self.opened} times and closed {self.closed} times"


def environment(endpoint: Endpoint) -> dict[str, str]:
    """The variables that make workers know the endpoint and its breaker, beside what they say already."""
    chosen = settings.current()
    models = {
        name: _entry(each.model_dump(mode="json"), each.api_key) for name, each in chosen.models.items()
    }
    policies = {
        name: policy.model_dump(mode="json", exclude_unset=True) for name, policy in chosen.breakers.items()
    }
    return {
        "OMNINODE_MODELS": json.dumps(models | {MODEL: endpoint.settings}),
        "OMNINODE_BREAKERS": json.dumps(policies | {BREAKER: _POLICY}),
    }


def play(fleet: Fleet, endpoint: Endpoint, processes: int) -> Outage:
    """Play it; `processes` is how many calls may be in flight.

    Raises:
        StackError: a process of the fleet has ended, or nothing moves for a minute.
    """
    # Now, as it is made for the servers of the environment.
    from orchestrator.celery import app  # noqa: PLC0415

    ids = _call(app, CALLS_BEFORE)
    wait(fleet, lambda: _answered() == CALLS_BEFORE, "the model's first answers")
    endpoint.go_away()
    ids += _call(app, CALLS_WHILE_AWAY)
    # A few are on their way there: those that failed, and those that probe.
    few = _FAILURES + processes
    wait(fleet, lambda: _set_aside() >= CALLS_WHILE_AWAY - few, "the calls' being set aside")
    set_aside = _set_aside()
    wait(fleet, lambda: _transitions("half_open"), "the first probe")
    endpoint.come_back()
    wait(fleet, lambda: _answered() == len(ids), "the model's other answers")
    return _told(endpoint, ids, set_aside, processes)


def _told(endpoint: Endpoint, ids: list[str], set_aside: int, processes: int) -> Outage:
    opened, closed, probes = (_transitions(circuit) for circuit in ("open", "closed", "half_open"))
    return Outage(
        calls=len(ids),
        answered=_answered(),
        reached_while_away=endpoint.refused,
        at_most=_FAILURES + processes + len(probes),
        probes=len(probes),
        set_aside=set_aside,
        retries=budget.read(redis.client(), settings.current().key_prefix, BREAKER).retries,
        letters=_count(_DIED, ids),
        opened=len(opened),
        closed=len(closed),
        opened_at=_iso(opened[-1]) if opened else "",
        closed_at=_iso(closed[0]) if closed else "",
        open_seconds=round(closed[0].at - opened[-1].at, 3) if opened and closed else 0.0,
    )


def _iso(transition: Transition) -> str:
    return datetime.fromtimestamp(transition.at, UTC).isoformat(timespec="milliseconds")


def _call(app: Celery, calls: int) -> list[str]:
    return [
        app.send_task("omninode.models.call", args=(MODEL, "chat", "Say that it is done.")).id
        for _ in range(calls)
    ]


def _transitions(circuit: str) -> list[Transition]:
    """When the breaker's circuit became that, the newest first."""
    store = Store(redis.client(), settings.current().key_prefix)
    return [each for each in store.history(BREAKER, _MOST_TRANSITIONS) if each.after == circuit]


def _set_aside() -> int:
    return int(redis.client().zcard(keys.aside(BREAKER, settings.current().key_prefix)))


def _answered() -> int:
    return _count(_ANSWERED, MODEL)


def _count(query: Any, value: object) -> int:
    with postgres.transaction() as database:
        row = database.execute(query, (value,)).fetchone()
    return int(row[0]) if row else 0


def _entry(entry: Mapping[str, Any], key: Any) -> dict[str, Any]:
    # What is shown of a key is no key.
    return dict(entry) | {"api_key": key.get_secret_value() if key else None}
