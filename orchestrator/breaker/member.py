"""What a process's hub asks of a breaker that it serves."""

from __future__ import annotations

from typing import Protocol

from orchestrator.breaker.report import Report
from orchestrator.breaker.state import State
from orchestrator.policy import Policy


class Member(Protocol):
    """One breaker, as the hub knows it; each method may be called from the hub's thread."""

    name: str

    @property
    def wanted(self) -> Policy:
        """The policy that this process wants for it."""

    @property
    def heard(self) -> int:
        """How often anything was heard of it."""

    @property
    def is_in_use(self) -> bool:
        """Whether what is known of it matters now, asked about once a second."""

    def hear(self, fresh: State) -> None:
        """A state was published."""

    def read(self, fresh: State, heard: int) -> None:
        """A state was read, after it had been heard of so often."""

    def gather(self) -> tuple[Policy, Report] | None:
        """Successes to be told, where there are any."""

    def keep(self, told: Report) -> None:
        """What could not be told counts in this process."""

    def start_anew(self, *, keep: bool) -> None:
        """This is a forked child, or another Redis: hold no lock, and read before anything is trusted.

        `keep` what was seen last, for as long as Redis is away.
        """
