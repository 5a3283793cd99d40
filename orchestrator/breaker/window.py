"""How the calls of the last while went: ten buckets, of which the oldest falls out when a new one begins."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.breaker.report import Report

BUCKETS = 10


@dataclass(frozen=True, slots=True)
class Bucket:
    """The calls of a tenth of the window; `index` counts such tenths from the clock's beginning on."""

    index: int
    ok: int = 0
    failed: int = 0
    slow: int = 0
    """Of those that went well and those that failed together."""

    @property
    def calls(self) -> int:
        """All that ended."""
        return self.ok + self.failed


def counted(window: tuple[Bucket, ...], window_ms: int, report: Report, at: int) -> tuple[Bucket, ...]:
    """The window with the report's calls, which have ended at `at`."""
    index = at // (window_ms // BUCKETS)
    kept = [each for each in window if index - BUCKETS < each.index < index]
    last = next((each for each in window if each.index == index), Bucket(index))
    ok, failed, slow = (
        last.ok + report.ok + report.earlier,
        last.failed + report.failed,
        last.slow + report.slow,
    )
    return (*kept, Bucket(index, ok, failed, slow))


def total(window: tuple[Bucket, ...], window_ms: int, at: int) -> Bucket:
    """The sum of the buckets that are in the window at `at`. A clock set back leaves none from its future."""
    index = at // (window_ms // BUCKETS)
    live = [each for each in window if index - BUCKETS < each.index <= index]
    ok, failed, slow = sum(b.ok for b in live), sum(b.failed for b in live), sum(b.slow for b in live)
    return Bucket(index, ok, failed, slow)
