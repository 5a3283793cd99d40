"""The retry budgets of one process: decisions from memory, and an exchange with the fleet beside them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any

import structlog

from orchestrator import keys
from orchestrator.retry import budget
from orchestrator.retry.plan import SLOT_SECONDS, Plan, Terms, slot_of

_LOG = structlog.get_logger(__name__)

# Of more dependencies at a time than this, those that were used longest ago begin anew.
_MOST = 1000
# A dependency that nobody has used for so long is forgotten.
_IDLE_SECONDS = 120.0
_AT_ONCE = 100


class Budgets:
    """A plan for each dependency that this process works with; any thread may ask.

    What is counted here reaches the fleet with the next `exchange`: a process that is killed takes what it
    has counted since then with it. While Redis is away the process goes by what it heard last and by its own
    counts.
    """

    def __init__(
        self,
        terms: Terms,
        random: Random,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.process = os.urandom(6).hex()
        self._terms = terms
        self._random = random
        self._clock = clock
        # What the shared clock, that of Redis, is ahead; of this host's own until Redis was asked.
        self._ahead = wall_clock() - clock()
        self._has_asked = False
        self._plans: dict[str, Plan] = {}
        self._used: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def is_busy(self) -> bool:
        """Whether there is anything to exchange."""
        return bool(self._plans)

    def note_first(self, dependency: str) -> bool:
        """Count a first attempt; whether the dependency is new here, and the fleet should be asked soon."""
        with self._lock:
            is_new = dependency not in self._plans
            self._plan(dependency).note_first(self._now())
            return is_new

    def place(self, dependency: str, delay_seconds: float) -> tuple[float, bool]:
        """In how many seconds a retry is made that asks for `delay_seconds`, and whether it was put off."""
        with self._lock:
            now = self._now()
            place = self._plan(dependency).place(now, now + delay_seconds, self._random)
            return (place.at - now if place.is_delayed else delay_seconds), place.is_delayed

    def exchange(self, client: Any, prefix: str) -> None:
        """Tell the fleet what was counted here, and hear what it has counted: a round trip for 100 of them.

        Raises:
            RedisError, OSError: Redis is away; what was not told is told next time. What Redis has heard
                although its answer was lost is counted twice, for a minute.
        """
        self._forget_idle()
        if not self._has_asked:
            # What this host's own clock says may be an hour off, and would be told as if it were true.
            self._set_clock(client.time())
        with self._lock:
            names = list(self._plans)
        for begin in range(0, len(names), _AT_ONCE):
            self._exchange(client, prefix, names[begin : begin + _AT_ONCE])

    def _exchange(self, client: Any, prefix: str, names: list[str]) -> None:
        with self._lock:
            plans = {name: plan for name in names if (plan := self._plans.get(name))}
            this_slot = slot_of(self._now())
            taken = {name: plan.take() for name, plan in plans.items()}
        try:
            with client.pipeline(transaction=False) as pipeline:
                for name, more in taken.items():
                    budget.tell(pipeline, keys.retry_budget(name, prefix), self.process, this_slot, more)
                pipeline.time()
                *answers, moment = pipeline.execute(raise_on_error=False)
        except BaseException:
            self._keep(plans.values())
            raise
        old: dict[str, list[str]] = {}
        for name, plan in plans.items():
            # Each command's answer, the last of which is all that is counted.
            told, answers = answers[: len(taken[name]) + 3], answers[len(taken[name]) + 3 :]
            old[name] = self._learn(plan, told, this_slot)
        self._set_clock(moment)
        _remove(client, {keys.retry_budget(name, prefix): fields for name, fields in old.items() if fields})

    def _learn(self, plan: Plan, told: list[Any], this_slot: int) -> list[str]:
        """Take in what Redis answered for one plan; returns the fields that nobody needs any more."""
        refused = next((answer for answer in told if isinstance(answer, Exception)), None)
        if refused is not None:
            _LOG.warning("retry_budget_not_told", error=str(refused))
            self._keep([plan])
            return []
        fields = told[-1]
        with self._lock:
            plan.learn(budget.fleet_of(fields, self.process, this_slot), self._now())
        return budget.outdated(fields, this_slot)

    def _keep(self, plans: Iterable[Plan]) -> None:
        with self._lock:
            for plan in plans:
                plan.keep(self._now())

    def _set_clock(self, moment: Any) -> None:
        if not isinstance(moment, tuple | list):
            return
        seconds, microseconds = moment
        with self._lock:
            ahead = seconds + microseconds / 1e6 - self._clock()
            slots = round((ahead - self._ahead) / SLOT_SECONDS)
            self._ahead, self._has_asked = ahead, True
            if slots:
                for plan in self._plans.values():
                    plan.shift(slots)

    def _plan(self, dependency: str) -> Plan:
        plan = self._plans.pop(dependency, None)
        if plan is None:
            plan = Plan(self._terms)
            if len(self._plans) >= _MOST:
                self._drop(next(iter(self._plans)))
        self._plans[dependency] = plan
        self._used[dependency] = self._clock()
        return plan

    def _drop(self, dependency: str) -> None:
        del self._plans[dependency], self._used[dependency]

    def _forget_idle(self) -> None:
        with self._lock:
            oldest = self._clock() - _IDLE_SECONDS
            for name in [name for name, used in self._used.items() if used < oldest]:
                self._drop(name)

    def _now(self) -> float:
        return self._clock() + self._ahead


def _remove(client: Any, fields: Mapping[str, list[str]]) -> None:
    if not fields:
        return
    with client.pipeline(transaction=False) as pipeline:
        for key, names in fields.items():
            pipeline.hdel(key, *names)
        pipeline.execute(raise_on_error=False)
