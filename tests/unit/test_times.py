"""Moments and lengths of time in words."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from orchestrator import times


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-3, "0s"),
        (0, "0s"),
        (0.04, "0.1s"),
        (2.46, "2.5s"),
        (9.96, "10s"),
        (59.6, "1m"),
        (332, "5m 32s"),
        (5400, "1h 30m"),
        (86_401, "1d"),
        (90_061, "1d 1h"),
    ],
)
def test_a_length_is_told_in_its_two_largest_units(seconds: float, shown: str) -> None:
    assert times.length(seconds) == shown


def test_an_age_is_told_in_its_largest_unit() -> None:
    ages = [times.age(each) for each in (-1, 0, 59.9, 60, 7200, 200_000)]

    assert ages == ["0s", "0s", "59s", "1m", "2h", "2d"]


@pytest.mark.parametrize(
    "at",
    [
        1_780_315_230.4,
        datetime(2026, 6, 1, 12, 0, 30, tzinfo=UTC),
        datetime(2026, 6, 1, 14, 0, 30, tzinfo=timezone(timedelta(hours=2))),
        "2026-06-01T12:00:30.412+00:00",
        "2026-06-01T12:00:30",
    ],
)
def test_a_moment_is_told_to_the_second_and_with_its_zone(at: Any) -> None:
    assert times.moment(at) == "2026-06-01 12:00:30 UTC"


@pytest.mark.parametrize(("at", "shown"), [(0.0, "-"), ("", "-"), (None, "-"), ("soon", "soon")])
def test_what_is_no_moment_is_told_as_it_is(at: Any, shown: str) -> None:
    assert times.moment(at) == shown


def test_json_tells_a_moment_in_iso_8601_and_none_as_null() -> None:
    assert times.iso(1_780_315_230.4) == "2026-06-01T12:00:30.400+00:00"
    assert times.iso(0.0) is None
