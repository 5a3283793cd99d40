"""The deadline of a claimed message, and how the message carries it on."""

import math
import time
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator import settings
from orchestrator.retry.again import PutBack
from orchestrator.settings import Settings
from orchestrator.timeouts.deadline import Deadline
from orchestrator.worker import deadlines
from orchestrator.worker.next_attempt import changed

_DEADLINE, _IS_DEFAULT, _LEFT = (
    "omninode-deadline",
    "omninode-deadline-default",
    "omninode-deadline-left",
)
_FIRST = 1000.0


@pytest.fixture(autouse=True)
def _defaults() -> Iterator[None]:
    settings.use(Settings(timeout_global_default=600, timeout_operation_default=300, timeout_grace_period=30))
    yield
    settings.forget()


def _of(headers: Any, *, own: Any = None, hard: float | None = None, task: str = "shop.pay") -> Deadline:
    claim: Any = SimpleNamespace(envelope={"headers": headers}, first_claimed_at=_FIRST)
    return deadlines.of(claim, SimpleNamespace(name=task, deadline=own), hard)


def test_the_default_counts_from_the_first_claim() -> None:
    assert _of({"omninode-enqueued-at": 10.0}) == Deadline(1600, is_default=True)


def test_a_task_that_may_run_for_longer_is_not_cut_short_by_the_default() -> None:
    assert _of({}, hard=5000) == Deadline(6030, is_default=True)
    assert _of({}, hard=400) == Deadline(1600, is_default=True)


def test_what_a_message_says_counts() -> None:
    assert _of({_DEADLINE: 1200.5}, own=5) == Deadline(1200.5)
    assert _of({_DEADLINE: 1200.5, _IS_DEFAULT: True}) == Deadline(1200.5, is_default=True)
    assert _of({_LEFT: 7}) == Deadline(1007, is_default=True)


def test_of_one_that_was_inherited_and_the_tasks_own_the_earlier_one_counts() -> None:
    inherited = {_DEADLINE: 1200.5, "omninode-deadline-inherited": True}

    assert _of(inherited, own=5) == Deadline(1005)
    assert _of(inherited, own=500) == Deadline(1200.5)
    assert _of(inherited) == Deadline(1200.5)
    # Nobody has asked for a default one.
    assert _of({_LEFT: 3, "omninode-deadline-inherited": True}, own=500) == Deadline(1500)


@pytest.mark.parametrize("own", [5, timedelta(seconds=5)])
def test_a_tasks_own_counts_from_the_enqueue(own: Any) -> None:
    assert _of({"omninode-enqueued-at": 900.0}, own=own) == Deadline(905)


def test_a_tasks_own_counts_from_the_first_claim_where_the_producer_does_not_say_when_it_was() -> None:
    assert _of({}, own=5) == Deadline(1005)
    assert _of(None, own=5) == Deadline(1005)


@pytest.mark.parametrize("enqueued", [900_000.0, 1e300, 10**400, math.nan, True, "now"])
def test_an_enqueue_that_cannot_have_been_then_is_taken_for_the_first_claim(enqueued: Any) -> None:
    assert _of({"omninode-enqueued-at": enqueued}, own=5) == Deadline(1005)


def test_a_hard_limit_without_sense_makes_a_deadline_that_can_be_expressed() -> None:
    assert _of({}, hard=10**400).at < 400_000_000


def test_what_polls_for_the_parts_of_a_chord_may_do_so_for_as_long_as_they_take() -> None:
    assert _of({}, task="celery.chord_unlock").at > 300_000_000


def test_a_message_that_waits_says_its_default_deadline() -> None:
    envelope = {"headers": {"id": "1", "omninode-aside": {}, _LEFT: 3}, "properties": {}}

    assert deadlines.waits_on(envelope, Deadline(5, is_default=True)) == {
        "headers": {"id": "1", _DEADLINE: 5, _IS_DEFAULT: True},
        "properties": {},
    }


def test_a_message_that_says_its_deadline_already_waits_as_it_is() -> None:
    assert deadlines.waits_on({"headers": {_DEADLINE: 5.5}}, Deadline(5.5)) is None
    assert deadlines.waits_on({"headers": {_DEADLINE: 5.5, _IS_DEFAULT: True}}, Deadline(5.5, True)) is None
    assert deadlines.waits_on({"headers": None}, Deadline(5.5)) is None


def test_the_next_attempt_has_the_same_deadline_or_what_it_was_given() -> None:
    envelope = {"headers": {"id": "1", _LEFT: 3}, "properties": {}}

    kept = changed(envelope, PutBack(headers={"retries": 1}), Deadline(5, is_default=True))
    given = changed(envelope, PutBack(headers={_DEADLINE: 9}), Deadline(5))

    assert kept["headers"] == {"id": "1", _DEADLINE: 5, _IS_DEFAULT: True, "retries": 1, "eta": None}
    assert given["headers"] == {"id": "1", _DEADLINE: 9, "eta": None}


def test_while_a_message_waits_for_a_breaker_its_default_deadline_stands_still() -> None:
    envelope = {"headers": {"id": "1", _DEADLINE: 5.0, _IS_DEFAULT: True}}
    of_task = Deadline(time.time() + 100, is_default=True)

    headers = deadlines.set_aside(envelope, of_task)["headers"]

    assert headers.keys() == {"id", _LEFT}
    assert 99 < headers[_LEFT] <= 100
    assert deadlines.wait_seconds(of_task) == math.inf


def test_a_deadline_that_was_asked_for_goes_on_while_a_message_waits_for_a_breaker() -> None:
    of_task = Deadline(time.time() + 100)

    assert deadlines.set_aside({"headers": {"id": "1"}}, of_task)["headers"] == {
        "id": "1",
        _DEADLINE: of_task.at,
    }
    assert 99 < deadlines.wait_seconds(of_task) <= 100
    assert deadlines.wait_seconds(Deadline(1)) == 0


def test_a_default_deadline_is_called_by_the_variable_that_sets_it() -> None:
    assert "before the default deadline (TIMEOUT_GLOBAL_DEFAULT) (" in str(
        deadlines.no_further(Deadline(1_700_000_000, is_default=True), "ValueError: no")
    )
