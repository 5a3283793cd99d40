"""How many of the changes made a test fail, and which did not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

_ENOUGH = 0.9


@dataclass(frozen=True, slots=True)
class Score:
    """`unnoticed` has the changes that no test noticed: the mutant's name → what was changed, as a diff."""

    made: int
    noticed: int
    unnoticed: Mapping[str, str]

    @classmethod
    def of(cls, counts: Mapping[str, int], unnoticed: Mapping[str, str]) -> Self:
        """From mutmut's counts; a change that makes the tests run for ever has been noticed too."""
        noticed = sum(counts[outcome] for outcome in ("killed", "timeout", "segfault"))
        return cls(counts["total"], noticed, {name: _changes(diff) for name, diff in unnoticed.items()})

    @property
    def share(self) -> float:
        """Which part of the changes was noticed."""
        return self.noticed / self.made if self.made else 0.0

    @property
    def is_enough(self) -> bool:
        """Whether the tests can be relied on."""
        return self.share >= _ENOUGH

    def record(self) -> dict[str, Any]:
        """For programs."""
        return {
            "made": self.made,
            "noticed": self.noticed,
            "share": round(self.share, 4),
            "unnoticed": dict(self.unnoticed),
        }

    def text(self) -> str:
        """For people."""
        told = [f"{name}\n{change}" for name, change in self.unnoticed.items()]
        summary = f"{self.noticed} of {self.made} changes made a test fail: {self.share:.1%}"
        return "\n\n".join([*told, f"{summary} ({_ENOUGH:.0%} are enough)"])


def _changes(diff: str) -> str:
    """The lines of a diff that differ, without its head."""
    lines = [line for line in diff.splitlines() if line[:1] in {"+", "-"}]
    return "\n".join(f"  {line}" for line in lines if line[:3] not in {"+++", "---"})
