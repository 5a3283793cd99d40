"""How long a task has waited is told when it begins for the first time, and only then."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator import events
from orchestrator.events import Begun
from orchestrator.worker import waits


@pytest.fixture
def told() -> Iterator[list[events.Event]]:
    """What this process tells of itself."""
    heard: list[events.Event] = []
    detach = events.attach(heard.append)
    yield heard
    detach()


def _begins(headers: Any, at: float = 1000.0) -> None:
    waits.tell("shop.pay", "shop", headers, at)


def test_it_waits_from_its_enqueue_on(told: list[events.Event]) -> None:
    _begins({"omninode-enqueued-at": 990.5})

    assert told == [Begun("shop.pay", "shop", 9.5)]


def test_it_waits_from_its_eta_on_where_that_is_later(told: list[events.Event]) -> None:
    _begins({"omninode-enqueued-at": 900.0, "eta": "1970-01-01T00:16:38+00:00"})
    _begins({"omninode-enqueued-at": 999.0, "eta": "1970-01-01T00:16:38+00:00"})
    _begins({"omninode-enqueued-at": 998, "eta": "soon"})

    assert told == [
        Begun("shop.pay", "shop", 2.0),
        Begun("shop.pay", "shop", 1.0),
        Begun("shop.pay", "shop", 2.0),
    ]


def test_a_producer_whose_clock_is_ahead_makes_no_wait_negative(told: list[events.Event]) -> None:
    _begins({"omninode-enqueued-at": 5000.0})

    assert told == [Begun("shop.pay", "shop", 0.0)]


@pytest.mark.parametrize(
    "headers",
    [
        None,
        [],
        {},
        {"omninode-enqueued-at": None},
        {"omninode-enqueued-at": "990"},
        {"omninode-enqueued-at": True},
        {"omninode-enqueued-at": float("nan")},
        {"omninode-enqueued-at": float("inf")},
        {"omninode-enqueued-at": 10**400},
        {"omninode-enqueued-at": 990.0, "omninode-letter": "a1", "omninode-replays": 1},
        {"omninode-enqueued-at": 990.0, "omninode-begun": True},
    ],
)
def test_nothing_is_told_of_what_says_no_time_of_replays_and_of_what_had_begun(
    told: list[events.Event], headers: Any
) -> None:
    _begins(headers)

    assert told == []


def test_a_message_that_waits_for_its_next_look_says_that_its_task_had_begun() -> None:
    envelope = {"body": "W10=", "headers": {"id": "1"}, "properties": {}}

    once = waits.marked(envelope, None)

    assert once == {"body": "W10=", "headers": {"id": "1", "omninode-begun": True}, "properties": {}}
    assert waits.marked(once, None) is None
    assert waits.marked(envelope, {"headers": {"id": "2"}}) == {
        "headers": {"id": "2", "omninode-begun": True}
    }
    assert waits.marked({"headers": None}, None) is None
