"""Which minutes of the fleet's sums there are in Redis, at one moment, and what they say together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from redis import Redis

from monitoring.recording.sums import Snapshot, Sums, together
from monitoring.rollup import encoding, verdicts
from monitoring.rollup.verdicts import Verdict
from orchestrator import keys
from orchestrator.alerts.standing import Standing
from orchestrator.tally import fields

# What is judged, the present minute and five before it, and one more of which it is asked what is a task.
RECENT_MINUTES = 6


class Listed:
    """What there is to read, at one moment: `open` minutes, windows `to_fold`, and `folded` ones.

    With `verdict`, the fleet's verdict and alerts of the same moment too, as far as there are any.
    """

    def __init__(self, client: Redis, prefix: str, *, verdict: bool = False) -> None:
        ask: Any = client
        with ask.pipeline(transaction=True) as pipeline:
            pipeline.time()
            for name in ("totals", "kept"):
                pipeline.hgetall(keys.metrics(name, prefix))
            for name in ("minutes", "windows"):
                pipeline.zrange(keys.metrics(name, prefix), 0, -1)
            pipeline.zrevrangebyscore(
                keys.metrics("folded", prefix), "+inf", "-inf", start=0, num=4 * RECENT_MINUTES
            )
            if verdict:
                pipeline.get(verdicts.key(prefix))
                pipeline.hgetall(keys.alerts(prefix))
                pipeline.hgetall(keys.silences(prefix))
            (seconds, micros), self.totals, self.kept, self.open, self.to_fold, folded, *judged = (
                pipeline.execute()
            )
        self.seconds = int(seconds)
        self.verdict: Verdict | None = None
        self.standing: Standing | None = None
        if judged:
            text, alerts, silences = judged
            self.verdict = verdicts.read(text)
            self.standing = Standing(datetime.fromtimestamp(seconds + micros / 1e6, UTC), alerts, silences)
        self.minute = self.seconds // 60
        self.folded = [name for name in folded if _minute(name) >= self.minute - RECENT_MINUTES]

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
            of_totals(self.seconds, self.totals),
            minutes={minute: together(each) for minute, each in minutes.items()},
            whole=together([encoding.read(self.kept), *_found(unfolded, hashes)]),
        )


def of_totals(seconds: int, totals: Mapping[str, str]) -> Snapshot:
    """What the hash of all since the beginning says, at that time of Redis's clock."""
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
