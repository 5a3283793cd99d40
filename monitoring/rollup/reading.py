"""Reads the fleet's sums, and adds what this process has recorded and not yet written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from redis import Redis

from monitoring.recording.sums import Snapshot, Sums, together
from monitoring.rollup import encoding, process, processes
from monitoring.rollup.processes import Process
from monitoring.rollup.writing import AWAY
from orchestrator import broker, keys, redaction
from orchestrator.settings import Settings
from orchestrator.tally import fields

_ANSWER_SECONDS = 1.0
# What is said to be recent: the present minute and so many before it; see `judging.health`.
_RECENT_MINUTES = 5
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
        return _of_totals(int(seconds), totals)

    def _read(self) -> Snapshot:
        prefix = self._settings.key_prefix
        for _ in range(_LOOKS):
            listed = _Listed(self._connected(), prefix)
            hashes = self._hashes(listed, prefix)
            # One that was sealed since is listed under another name now.
            if all(name in hashes for name in listed.open):
                break
        return listed.snapshot(hashes)

    def _hashes(self, listed: _Listed, prefix: str) -> dict[str, Sums]:
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


class _Listed:
    """What there is to read, at one moment: `open` minutes, windows `to_fold`, and `folded` ones."""

    def __init__(self, client: Redis, prefix: str) -> None:
        ask: Any = client
        with ask.pipeline(transaction=True) as pipeline:
            pipeline.time()
            for name in ("totals", "kept"):
                pipeline.hgetall(keys.metrics(name, prefix))
            for name in ("minutes", "windows"):
                pipeline.zrange(keys.metrics(name, prefix), 0, -1)
            pipeline.zrevrangebyscore(
                keys.metrics("folded", prefix), "+inf", "-inf", start=0, num=4 * _RECENT_MINUTES
            )
            (seconds, _), self.totals, self.kept, self.open, self.to_fold, folded = pipeline.execute()
        self.seconds = int(seconds)
        self.minute = self.seconds // 60
        self.folded = [name for name in folded if _minute(name) >= self.minute - _RECENT_MINUTES]

    def closed(self) -> list[str]:
        """Those that are windows."""
        return [*self.to_fold, *self.folded]

    def snapshot(self, hashes: Mapping[str, Sums]) -> Snapshot:
        """What all of it says."""
        unfolded = [*self.open, *self.to_fold]
        minutes: dict[int, list[Sums]] = {}
        for name in (*unfolded, *self.folded):
            if name in hashes:
                minutes.setdefault(_minute(name), []).append(hashes[name])
        return replace(
            _of_totals(self.seconds, self.totals),
            minutes={minute: together(each) for minute, each in minutes.items()},
            whole=together([encoding.read(self.kept), *_found(unfolded, hashes)]),
        )


def _of_totals(seconds: int, totals: Mapping[str, str]) -> Snapshot:
    since = _whole(totals, fields.SINCE) or seconds
    return Snapshot(
        seconds // 60,
        float(max(0, seconds - since)),
        encoding.read(totals),
        refused=_whole(totals, encoding.REFUSED),
        overflowed=_whole(totals, encoding.OVERFLOWED),
    )


def _found(names: Iterable[str], hashes: Mapping[str, Sums]) -> list[Sums]:
    return [hashes[name] for name in names if name in hashes]


def _minute(name: str) -> int:
    digits = name.partition(":")[0]
    return int(digits) if digits.isdecimal() else 0


def _whole(stored: Mapping[str, str], field: str) -> int:
    text = stored.get(field, "")
    return int(text) if text.isdecimal() else 0
