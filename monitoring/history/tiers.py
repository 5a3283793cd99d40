"""The tiers of the history: how long their periods are, how long rows are kept, and which cover a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

Tier = Literal["minute", "hour", "day"]
TIERS: tuple[Tier, ...] = get_args(Tier)
MINUTES: dict[Tier, int] = {"minute": 1, "hour": 60, "day": 1440}

# Rows of minutes are kept for PERF_MONITOR_RETENTION_HOURS; the others so long, or as long if that is more.
HOUR_ROWS_DAYS, DAY_ROWS_DAYS = 90, 730
_KEPT_MINUTES: dict[Tier, int] = {"minute": 0, "hour": HOUR_ROWS_DAYS * 1440, "day": DAY_ROWS_DAYS * 1440}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Span:
    """Periods of one tier that begin in [first, end), in minutes of Unix time."""

    tier: Tier
    first: int
    end: int

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """The same as moments."""
        return moment(self.first), moment(self.end)


def moment(minute: int) -> datetime:
    """When a minute of Unix time begins."""
    return _EPOCH + timedelta(minutes=minute)


def minute_of(at: datetime) -> int:
    """The minute of Unix time that a moment is in."""
    return int((at - _EPOCH).total_seconds() // 60)


def start(minute: int, tier: Tier) -> int:
    """The first minute of the period that a minute is in."""
    return minute - minute % MINUTES[tier]


def oldest(now_minute: int, retention_hours: float, tier: Tier) -> int:
    """The first minute whose rows of this tier are kept."""
    kept = max(retention_hours * 60, _KEPT_MINUTES[tier])
    return start(max(0, int(now_minute - kept)), tier)


def spans(since: int, end: int, now_minute: int, retention_hours: float) -> list[Span]:
    """The fewest periods that together cover the minutes [since, end), as exactly as rows are still kept.

    What begins before the rows of minutes do begins with its hour, and before those of hours with its day.
    Of a period that is not over its row has all there is: it will do where `end` is not in the past.
    """
    kept = {tier: oldest(now_minute, retention_hours, tier) for tier in TIERS}
    found: list[Span] = []
    at = start(since, _finest(since, kept))
    while at < min(end, now_minute + 1):
        finest = _finest(at, kept)
        limit = end if end <= now_minute else now_minute + MINUTES["day"]
        tier = next(
            (each for each in reversed(TIERS) if at % MINUTES[each] == 0 and at + MINUTES[each] <= limit),
            finest,
        )
        tier = max(tier, finest, key=TIERS.index)
        after = at + MINUTES[tier]
        if found and found[-1].tier == tier:
            found[-1] = Span(tier, found[-1].first, after)
        else:
            found.append(Span(tier, at, after))
        at = after
    return found


def _finest(minute: int, kept: dict[Tier, int]) -> Tier:
    return next((tier for tier in TIERS if minute >= kept[tier]), TIERS[-1])
