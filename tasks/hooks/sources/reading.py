"""Reads values out of payloads whose shape nobody vouches for: what is not as expected counts as absent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

# Clocks differ; a moment further ahead than this is not believed, or it would count as the latest for years.
_AHEAD = timedelta(days=1)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
# Unix seconds reach this figure in the year 5138; today's milliseconds lie above it.
_MILLISECONDS_FROM = 1e11
_LONGEST_MOMENT_CHARS = 64


@dataclass(frozen=True, slots=True)
class Reading:
    """What a source's reader found in a payload: "" where it found nothing.

    `about` is the object that the hook is about, `moments` are raw values that may say when it happened, the
    best one first.
    """

    resource: str
    resource_id: str
    correlation_id: str
    about: Mapping[str, Any]
    moments: tuple[object, ...] = field(default=())


def object_at(value: object, *keys: str) -> dict[str, Any]:
    """The object at the end of the keys, or {}."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text_at(mapping: Mapping[str, Any], *keys: str) -> str:
    """The first text or whole number among these fields, as text, or ""."""
    for key in keys:
        value = mapping.get(key)
        if isinstance(value, str) and value:
            return value
        if _is_whole_number(value):
            return str(value)
    return ""


def _is_whole_number(value: object) -> bool:
    # Larger ones are nobody's id, and Python refuses to print the largest.
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64


def moment(value: object, now: datetime) -> datetime | None:
    """An ISO 8601 text, or a number of Unix seconds or milliseconds, as a UTC datetime; None for all else."""
    try:
        found = _parse(value)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found and _EARLIEST <= found <= now + _AHEAD else None


def _parse(value: object) -> datetime | None:
    if isinstance(value, str) and len(value) <= _LONGEST_MOMENT_CHARS:
        parsed = datetime.fromisoformat(value)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value / 1000 if value >= _MILLISECONDS_FROM else value, UTC)
    return None
