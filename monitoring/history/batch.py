"""Windows that are folded together, in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from psycopg import Connection

from monitoring.history import rows
from monitoring.history.series import Series
from monitoring.history.tiers import start
from monitoring.history.values import added, is_field, is_readable
from monitoring.history.windows import Window

# First minute of a period → series → values.
_Found = defaultdict[int, defaultdict[int, list[str]]]


class Batch:
    """Some of those that wait. What is before `first_minute` is of no minute's row any more."""

    def __init__(self, first_minute: int) -> None:
        self.windows: list[Window] = []
        self.fields = 0
        self._first_minute = first_minute
        self._stored: list[Mapping[str, str]] = []

    def take(self, window: Window, stored: Mapping[str, str]) -> int:
        """Add a window; returns how many of its values cannot be read, and are left out."""
        # What is no array says something of the window itself.
        fields = {field: value for field, value in stored.items() if field[:1] == "["}
        readable = {
            field: value for field, value in fields.items() if is_readable(field, value) and is_field(field)
        }
        self.windows.append(window)
        self._stored.append(readable)
        self.fields += len(readable)
        return len(fields) - len(readable)

    def write(self, connection: Connection[Any], series: Series) -> int:
        """Write their rows, and that they are folded; returns the number of rows.

        Raises:
            psycopg.errors.UniqueViolation: somebody else has folded one of them.
        """
        connection.cursor().executemany(
            "INSERT INTO metric_folds (minute, window_id) VALUES (%s, %s)", self.windows
        )
        numbers = series.numbers({field for stored in self._stored for field in stored})
        minutes, hours = self._by_period(numbers)
        hourly = {hour: _added(of) for hour, of in hours.items()}
        days: _Found = defaultdict(lambda: defaultdict(list))
        for hour, of in hourly.items():
            day = days[start(hour, "day")]
            for number, value in of.items():
                day[number].append(value)
        daily = {day: _added(of) for day, of in days.items()}
        kept = {minute: _added(of) for minute, of in minutes.items() if minute >= self._first_minute}
        return (
            rows.add(connection, "minute", kept)
            + rows.add(connection, "hour", hourly)
            + rows.add(connection, "day", daily)
        )

    def _by_period(self, numbers: Mapping[str, int]) -> tuple[_Found, _Found]:
        minutes: _Found = defaultdict(lambda: defaultdict(list))
        hours: _Found = defaultdict(lambda: defaultdict(list))
        for window, stored in zip(self.windows, self._stored, strict=True):
            minute, hour = minutes[window.minute], hours[start(window.minute, "hour")]
            for field, value in stored.items():
                number = numbers[field]
                minute[number].append(value)
                hour[number].append(value)
        return minutes, hours


def _added(of: Mapping[int, list[str]]) -> dict[int, str]:
    return {number: added(values) for number, values in of.items()}
