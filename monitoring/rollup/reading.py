"""Reads the fleet's sums, and adds what this process has recorded and not yet written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from redis import Redis

from monitoring.recording.sums import Snapshot, Sums
from monitoring.rollup import encoding, process, processes
from monitoring.rollup.listing import Listed, of_totals
from monitoring.rollup.processes import Process
from monitoring.rollup.verdicts import Verdict
from monitoring.rollup.writing import AWAY
from orchestrator import broker, keys, redaction
from orchestrator.alerts.standing import Standing
from orchestrator.settings import Settings

_ANSWER_SECONDS = 1.0
# How often the minutes are listed anew, where one was folded between the list and the look.
_LOOKS = 5
_MOST_REMEMBERED = 4000
# How the trouble ends where these figures are shown; who shows others leaves it out.
ALONE = ": these are the figures of this process alone"


def alone(error: BaseException) -> Snapshot:
    """What this process has recorded, where Redis did not answer but with this error."""
    said = redaction.text(f"{type(error).__name__}: {error}")[:200]
    trouble = f"Redis does not answer ({said}){ALONE}"
    return replace(process.recorder.snapshot(), trouble=trouble)


@dataclass(frozen=True)
class Seen:
    """Sums, and of the same moment what the fleet's last look has found, and its alerts.

    `verdict` is None where nobody has looked for long, both where Redis does not answer.
    """

    snapshot: Snapshot
    verdict: Verdict | None = None
    standing: Standing | None = None


class FleetSource:
    """What the fleet has recorded, as Redis has it. Any thread may ask.

    Nothing is connected before the first snapshot. A snapshot waits a second for Redis; where that does not
    answer, it has the figures of this process alone, and says so in its `trouble`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Redis | None = None
        # A window never changes, and its name is given once.
        self._windows: dict[str, Sums] = {}

    def snapshot(self) -> Snapshot:
        """What is known now."""
        return self._with_what_is_here(self._read)

    def seen(self) -> Seen:
        """What is known now, with the fleet's verdict and alerts; it asks Redis no more often for them."""
        found: list[Seen] = []

        def read() -> Snapshot:
            found.append(self._read_seen(verdict=True))
            return found[-1].snapshot

        snapshot = self._with_what_is_here(read)
        return replace(found[-1], snapshot=snapshot) if found else Seen(snapshot)

    def totals(self) -> Snapshot:
        """What is known now of all since the beginning; it has no minutes, and takes a part of the time."""
        return self._with_what_is_here(self._read_totals)

    def _with_what_is_here(self, read: Callable[[], Snapshot]) -> Snapshot:
        writer = process.writer
        with writer.still():
            try:
                fleet = read()
            except AWAY as error:
                return alone(error)
            refused, overflowed = writer.unwritten_marks()
            here = writer.unwritten()
        return replace(
            fleet,
            total=fleet.total + here,
            minutes={**fleet.minutes, fleet.minute: fleet.minutes.get(fleet.minute, Sums()) + here},
            whole=fleet.kept() + here,
            refused=fleet.refused + refused,
            overflowed=fleet.overflowed + overflowed,
        )

    def processes(self) -> list[Process]:
        """Those that record; none where Redis does not answer."""
        try:
            return processes.read(self._connected(), self._settings.key_prefix)
        except AWAY:
            return []

    def _read_totals(self) -> Snapshot:
        ask: Any = self._connected()
        with ask.pipeline(transaction=True) as pipeline:
            pipeline.time()
            pipeline.hgetall(keys.metrics("totals", self._settings.key_prefix))
            (seconds, _), totals = pipeline.execute()
        return of_totals(int(seconds), totals)

    def _read(self) -> Snapshot:
        return self._read_seen(verdict=False).snapshot

    def _read_seen(self, *, verdict: bool) -> Seen:
        prefix = self._settings.key_prefix
        for _ in range(_LOOKS):
            listed = Listed(self._connected(), prefix, verdict=verdict)
            hashes = self._hashes(listed, prefix)
            # One that was sealed since is listed under another name now.
            if all(name in hashes for name in listed.open):
                break
        return Seen(listed.snapshot(hashes), listed.verdict, listed.standing)

    def _hashes(self, listed: Listed, prefix: str) -> dict[str, Sums]:
        """By what is listed; one that is not there is absent."""
        asked = [*listed.open, *(name for name in listed.closed() if name not in self._windows)]
        ask: Any = self._connected()
        with ask.pipeline(transaction=False) as pipeline:
            for name in asked:
                kind = "minute" if name in listed.open else "window"
                pipeline.hgetall(keys.metrics(f"{kind}:{name}", prefix))
            answers: list[dict[str, str]] = pipeline.execute()
        found = {name: encoding.read(stored) for name, stored in zip(asked, answers, strict=True) if stored}
        closed = {name: sums for name, sums in found.items() if name not in listed.open}
        remembered = {name: self._windows[name] for name in listed.closed() if name in self._windows}
        self._windows = remembered | closed if len(closed) < _MOST_REMEMBERED else {}
        return remembered | found

    def _connected(self) -> Redis:
        if self._client is None:
            self._client = broker.client(
                self._settings, decode=True, timeout_seconds=_ANSWER_SECONDS, retries=0
            )
        return self._client
