"""One breaker that a test drives through the machine, at the seconds that the test says."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.breaker import machine
from orchestrator.breaker.machine import Record
from orchestrator.breaker.report import Report
from orchestrator.breaker.state import Action, State
from orchestrator.policy import Policy


class Driven:
    """Keeps the record; `at` counts seconds from an hour that is far from the clock's beginning."""

    BEGINS = 1_700_000_000.0

    def __init__(self, policy: Policy, record: Record | None = None) -> None:
        self.policy = policy
        self.record = record or Record(name="api", born=7)

    def call(
        self,
        at: float,
        *,
        ok: int = 0,
        earlier: int = 0,
        failed: int = 0,
        slow: int = 0,
        probe: str = "",
        epoch: int | None = None,
    ) -> State:
        epoch = self.record.epoch if epoch is None else epoch
        return self.told(at, Report(epoch, probe, ok, slow, failed, earlier=earlier))

    def told(self, at: float, report: Report, chance: float = 0.0) -> State:
        self.record = machine.report(self.record, self.policy, report, self.BEGINS + at, chance)
        return self.state(at)

    def admit(self, at: float, token: str = "") -> bool:
        self.record, permitted = machine.admit(self.record, self.policy, token, self.BEGINS + at)
        return permitted

    def release(self, at: float, ids: Sequence[str]) -> list[str]:
        self.record, going = machine.release(self.record, self.policy, ids, self.BEGINS + at)
        return going

    def control(self, at: float, action: Action, *, why: str = "", seconds: float | None = None) -> State:
        now = self.BEGINS + at
        self.record = machine.control(self.record, self.policy, action, now, 0.0, why=why, seconds=seconds)
        return self.state(at)

    def state(self, at: float) -> State:
        return machine.view(self.record, self.policy, self.BEGINS + at)


def tripped(policy: Policy, at: float = 0.0) -> Driven:
    """One that has just opened."""
    driven = Driven(policy)
    driven.control(at, "open")
    return driven


def probing(policy: Policy) -> Driven:
    """One that is half-open since the second 30, with one probe under way."""
    driven = tripped(policy)
    assert driven.admit(30.0, "a")
    return driven
