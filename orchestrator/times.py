"""Moments and lengths of time in words: every command, check and message says them alike."""

from datetime import UTC, datetime

_SECOND, _MINUTE, _HOUR, _DAY = 1, 60, 3600, 86_400
UNITS = {"d": _DAY, "h": _HOUR, "m": _MINUTE, "s": _SECOND}
# Below so many seconds the tenths matter.
_FEW_SECONDS = 10


def moment(at: datetime | float | str | None) -> str:
    """A datetime, Unix seconds, or ISO 8601, as in 2026-06-01 12:00:30 UTC; "-" for none, such as 0.

    What has no zone is UTC, and a text that is no moment is told as it is.
    """
    if not at:
        return "-"
    try:
        return f"{_datetime(at).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return str(at)


def iso(seconds: float) -> str | None:
    """A moment in Unix seconds as JSON has it: in ISO 8601, to the millisecond, in UTC; None for 0."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds") if seconds else None


def length(seconds: float) -> str:
    """A length of time in its two largest units, as in 5m 32s; below ten seconds to the tenth, as in 2.5s."""
    if 0 < seconds < _FEW_SECONDS:
        return f"{max(seconds, 0.1):.1f}".removesuffix(".0") + "s"
    left, parts = round(max(seconds, 0)), []
    for unit, size in UNITS.items():
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number}{unit}")
        if parts and (not number or len(parts) > 1):
            break
    return " ".join(parts) or "0s"


def age(seconds: float) -> str:
    """A length of time in its largest unit alone, as in 5m: for the columns of tables."""
    return next((f"{int(seconds // size)}{unit}" for unit, size in UNITS.items() if seconds >= size), "0s")


def _datetime(at: datetime | float | str) -> datetime:
    if isinstance(at, int | float):
        return datetime.fromtimestamp(at, UTC)
    known = datetime.fromisoformat(at) if isinstance(at, str) else at
    return known if known.tzinfo else known.replace(tzinfo=UTC)
