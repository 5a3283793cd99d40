"""A run in figures: for people as text, for programs as JSON."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tests.chaos.transport.checker import Violation, finished_again
from tests.chaos.transport.evidence import Evidence
from tests.chaos.transport.kinds import left_out_of_stock
from tests.chaos.transport.rig import Rig

_SHOWN = 40


@dataclass(frozen=True)
class Report:
    """What happened in a run, and what was wrong with it."""

    seed: int
    subject: str
    messages: int
    unconfirmed: int
    messages_by_kind: dict[str, int]
    endings: dict[str, int]
    faults: dict[str, int]
    restarts: dict[str, int]
    surprises: list[str]
    slow_to_end: list[str]
    became_quiet: bool
    left_in_broker: dict[str, int]
    other_keys: list[str]
    started_more_than_once: dict[str, int]
    finished_more_than_once: int
    explained: int
    seconds: dict[str, float]
    left_out: dict[str, str]
    violations: list[Violation]

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """The report as people read it."""
        yield ""
        yield f"seed {self.seed}, {self.subject}: {self.messages} messages, {self.unconfirmed} unconfirmed"
        yield f"seconds: {_counts({name: round(value) for name, value in self.seconds.items()})}"
        yield f"messages: {_counts(self.messages_by_kind)}"
        for kind, why in self.left_out.items():
            yield f"  left out: {kind} ({why})"
        yield f"endings: {_counts(self.endings)}"
        yield f"faults ({sum(self.faults.values())}): {_counts(self.faults)}"
        yield f"processes started again: {_counts(self.restarts)}"
        for surprise in self.surprises:
            yield f"  {surprise}"
        for name in self.slow_to_end:
            yield f"  {name} had to be killed at the end"
        started = self.started_more_than_once
        yield f"started more often than their kind asks for ({sum(started.values())}): {_counts(started)}"
        finished = self.finished_more_than_once
        yield f"finished more than once: {finished}, and what was done explains {self.explained}"
        yield f"left in the broker: {_counts(self.left_in_broker)}"
        yield f"other keys: {', '.join(self.other_keys) or 'none'}"
        yield f"quiet in the end: {'yes' if self.became_quiet else 'NO'}"
        yield f"VIOLATIONS: {len(self.violations)}"
        by_kind = Counter(f"{each.what} · {each.kind}" for each in self.violations)
        for what, times in by_kind.most_common():
            yield f"  {times:5} {what}"
        for each in self.violations[:_SHOWN]:
            yield f"  {each.task_id or '-'} {each.what} · {each.kind}: {each.details}"


def report(rig: Rig, evidence: Evidence, violations: list[Violation]) -> Report:
    """Sum a run up."""
    confirmed = [case for case in evidence.cases if case.sent.confirmed]
    stock = rig.conditions.stock
    return Report(
        seed=rig.conditions.seed,
        subject="stock Celery" if stock else "OmniNode",
        messages=len(confirmed),
        unconfirmed=len(evidence.cases) - len(confirmed),
        messages_by_kind=_sorted(Counter(case.sent.name for case in confirmed)),
        endings=_sorted(Counter(case.ending() for case in confirmed)),
        faults=_sorted(rig.faults),
        restarts=_sorted(rig.fleet.restarts),
        surprises=rig.fleet.surprises,
        slow_to_end=rig.slow_to_end,
        became_quiet=rig.quiet,
        left_in_broker=evidence.left,
        other_keys=evidence.other_keys,
        started_more_than_once=_sorted(_extra_starts(evidence)),
        finished_more_than_once=finished_again(evidence),
        explained=evidence.explained,
        seconds=rig.seconds,
        left_out=left_out_of_stock() if stock else {},
        violations=violations,
    )


def _extra_starts(evidence: Evidence) -> Counter[str]:
    return Counter(case.sent.name for case in evidence.cases if case.run.starts > case.sent.part.kind.starts)


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _counts(counts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.items()) or "none"
