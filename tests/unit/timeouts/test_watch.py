"""A task that comes near its limit is warned of once, and the limit that comes next is named."""

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from orchestrator import events
from orchestrator.timeouts import watch
from orchestrator.timeouts.running import Running

NOW, UNIX_NOW = 1000.0, 1_780_000_000.0


@pytest.fixture
def heard() -> Iterator[list[events.Event]]:
    told: list[events.Event] = []
    detach = events.attach(told.append)
    yield told
    detach()


def task(**given: Any) -> Running:
    chosen: dict[str, Any] = {"warn_at": 980.0, "limit_at": 1020.0, "ends_at": 1050.0, "kind": "task"} | given
    kind = chosen.pop("kind")
    return Running(kind, "shop.pay", 900.0, UNIX_NOW - 100, task_id="an-id", pid=7, **chosen)


def test_it_is_warned_of_once(heard: list[events.Event]) -> None:
    entries = [task()]

    watch.look(entries, 979.9, UNIX_NOW)
    before = list(heard)
    watch.look(entries, NOW, UNIX_NOW)
    watch.look(entries, NOW + 1, UNIX_NOW)

    assert before == []
    assert heard == [events.TimeoutNear("shop.pay", "soft", 120.0, 100.0)]


def test_of_a_limit_that_the_deadline_has_shrunk_it_is_warned_as_it_would_strike(
    heard: list[events.Event],
) -> None:
    watch.look([task(deadline=UNIX_NOW + 50)], NOW, UNIX_NOW)

    assert heard == [events.TimeoutNear("shop.pay", "deadline", 120.0, 100.0)]


def test_the_warning_says_which_task_and_how_much_is_left() -> None:
    told: list[watch.Near] = []
    with pytest.MonkeyPatch.context() as patched, capture_logs() as logged:
        patched.setattr(watch, "announce", told.append)
        watch.look([task()], NOW, UNIX_NOW)

    assert told == [watch.Near("shop.pay", "an-id", "soft", 120.0, 100.0, 20.0, 7)]
    assert all(each["seconds_left"] == 20.0 for each in logged)


def test_who_announces_may_fail(heard: list[events.Event], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: watch.Near) -> None:
        raise OSError

    monkeypatch.setattr(watch, "announce", fail)
    watch.look([task(), task()], NOW, UNIX_NOW)

    assert len(heard) == 2


@pytest.mark.parametrize(
    ("entry", "limit", "at"),
    [
        (task(), "soft", 1020.0),
        (task(limit_at=None), "hard", 1050.0),
        (task(limit_at=999.0), "hard", 1050.0),
        (task(limit_at=990.0, ends_at=999.0), "hard", 999.0),
        (task(deadline=UNIX_NOW + 51), "soft", 1020.0),
        # The deadline has shrunk the hard limit, and the soft one with it.
        (task(deadline=UNIX_NOW + 50), "soft", 1020.0),
        (task(limit_at=999.0, deadline=UNIX_NOW + 50.1), "deadline", 1050.0),
        (task(limit_at=None, ends_at=None, deadline=UNIX_NOW + 30), "deadline", 1030.0),
        (task(kind="operation"), "operation", 1020.0),
        (task(kind="operation", limit_at=999.0), "grace", 1050.0),
        (task(kind="operation", deadline=UNIX_NOW + 10), "deadline", 1010.0),
        (task(kind="operation", limit_at=1050.0, deadline=UNIX_NOW + 50.1), "deadline", 1050.0),
    ],
)
def test_the_limit_that_comes_next_is_named(entry: Running, limit: str, at: float) -> None:
    assert entry.next_limit(NOW, UNIX_NOW) == (limit, at)


@pytest.mark.parametrize(
    "entry", [task(warn_at=None), task(kind="operation"), task(limit_at=None, ends_at=None)]
)
def test_nobody_is_warned_of_what_has_no_limit_or_warns_for_itself(
    entry: Running, heard: list[events.Event]
) -> None:
    watch.look([entry], NOW, UNIX_NOW)

    assert heard == []


@pytest.mark.parametrize(
    ("entry", "state"),
    [
        (task(), "running"),
        (task(limit_at=1000.0), "grace"),
        (task(ends_at=1000.0), "stopping"),
        (task(state="stopping"), "stopping"),
    ],
)
def test_its_state_follows_the_clock_where_nobody_tells_of_it(entry: Running, state: str) -> None:
    assert entry.state_at(NOW) == state
