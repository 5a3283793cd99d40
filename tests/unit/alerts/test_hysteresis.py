"""When alerts are raised and cleared: some examples, and a model that any series of looks is held to."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.alerts import hysteresis
from monitoring.alerts.hysteresis import Found
from monitoring.judging.health import Reason, Severity
from orchestrator.alerts.standing import Standing
from tests.unit.alerts.standings import after, standing

# The severity at the limits and at four fifths of them, whether that is known, and whether the look counts.
Look = tuple[Severity | None, Severity | None, bool, bool]
ORDER = ("info", "warning", "critical")
AT_ONCE, CONFIRMED = "queue_age:mails", "no_consumer:mails"
CLEAN: Look = (None, None, True, True)
BAD: Look = ("warning", "warning", True, True)
HELD: Look = (None, "warning", True, True)
UNKNOWN: Look = (None, None, False, True)
TOO_SOON: Look = (None, None, True, False)


def _played(name: str, looks: Sequence[Look]) -> list[str]:
    """The severity that is raised after each of the looks, or "" where none is."""
    now, waiting, seen = standing(), frozenset[str](), []
    for number, (at, holds, is_known, counts) in enumerate(looks, 1):
        found = Found(
            {name: Reason(name, at, "so it is")} if at else {},
            {name: Reason(name, holds, "so it is")} if holds else {},
            frozenset() if is_known else frozenset({"queues"}),
            counts,
        )
        changes = [each for each in hysteresis.changes(now, found, waiting) if each]
        waiting = hysteresis.still_waiting(now, found, waiting)
        now = after(now, changes, number * 60.0)
        seen.append(_raised(now, name))
    return seen


def _raised(now: Standing, name: str) -> str:
    return now.raised[name].severity if name in now.raised else ""


@pytest.mark.parametrize(
    ("name", "looks", "seen"),
    [
        (AT_ONCE, [BAD], "w"),
        (AT_ONCE, [BAD, CLEAN, CLEAN], "ww."),
        (AT_ONCE, [BAD, CLEAN, BAD, CLEAN, CLEAN], "wwww."),
        (AT_ONCE, [BAD, HELD, HELD, HELD, CLEAN, CLEAN], "wwwww."),
        (AT_ONCE, [HELD], "."),
        (AT_ONCE, [BAD, CLEAN, UNKNOWN, UNKNOWN, CLEAN], "wwww."),
        (AT_ONCE, [BAD, CLEAN, TOO_SOON, TOO_SOON, CLEAN], "wwww."),
        (CONFIRMED, [BAD, BAD, CLEAN, CLEAN], ".ww."),
        (CONFIRMED, [BAD, CLEAN, BAD], "..."),
        (CONFIRMED, [BAD, UNKNOWN, BAD], "..w"),
        (CONFIRMED, [BAD, ("warning", "warning", True, False), BAD], "..w"),
    ],
)
def test_looks_raise_and_clear(name: str, looks: list[Look], seen: str) -> None:
    assert "".join(each[:1] or "." for each in _played(name, looks)) == seen


def test_a_severity_rises_at_once_and_falls_only_below_four_fifths_of_its_limit() -> None:
    looks: list[Any] = [
        ("warning", "critical", True, True),
        ("critical", "critical", True, True),
        ("warning", "critical", True, True),
        ("warning", "warning", True, True),
    ]
    assert _played(AT_ONCE, looks) == ["warning", "critical", "critical", "warning"]


_severity = st.sampled_from(ORDER)


@st.composite
def _looks(draw: st.DrawFn) -> Look:
    is_known, counts = draw(st.booleans()), draw(st.booleans())
    # What is unknown has no reason; what is so at the limits is so at four fifths of them, too.
    held = draw(st.none() | _severity) if is_known else None
    at = draw(st.none() | st.sampled_from(ORDER[: ORDER.index(held) + 1])) if held else None
    return at, held, is_known, counts  # type: ignore[return-value]


class _Model:
    """One alert, as a person would keep a list of it."""

    def __init__(self, *, confirms: bool) -> None:
        self.severity, self.clean, self.was_found, self.confirms = "", 0, False, confirms

    def look(self, at: str | None, held: str | None, is_known: bool, counts: bool) -> str:  # noqa: FBT001
        if not is_known:
            return self.severity
        if not self.severity:
            self._new(at, counts=counts)
        elif held:
            # Never more severe than it was or is, never less than it is.
            least = at or "info"
            self.severity = max(least, min(self.severity, held, key=ORDER.index), key=ORDER.index)
            self.clean = 0
        elif counts:
            self.clean += 1
            if self.clean == 2:
                self.severity, self.clean = "", 0
        return self.severity

    def _new(self, at: str | None, *, counts: bool) -> None:
        is_due = at is not None and (not self.confirms or (counts and self.was_found))
        self.was_found = at is not None and not is_due and (counts or self.was_found)
        if is_due:
            self.severity, self.clean = at or "", 0


@settings(max_examples=150)
@given(looks=st.lists(_looks(), max_size=12), name=st.sampled_from([AT_ONCE, CONFIRMED]))
def test_any_series_of_looks_ends_as_the_list_of_a_person_would(looks: list[Look], name: str) -> None:
    model = _Model(confirms=name == CONFIRMED)

    assert _played(name, looks) == [model.look(*look) for look in looks]


@settings(max_examples=50)
@given(looks=st.lists(_looks(), max_size=12))
def test_a_known_alert_never_outlives_two_clean_looks(looks: list[Look]) -> None:
    assert _played(AT_ONCE, [*looks, CLEAN, CLEAN])[-1] == ""
