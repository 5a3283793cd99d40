"""What the main process does about a retry, with as much of a request as it looks at."""

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator import settings, times
from orchestrator.deadletter.death import FAILURES
from orchestrator.retry.again import PutBack
from orchestrator.retry.odds import Failure, Odds
from orchestrator.settings import Settings
from orchestrator.timeouts.deadline import Deadline
from orchestrator.worker import retrying


@pytest.fixture(autouse=True)
def _without_redis() -> Iterator[None]:
    settings.use(Settings(redis_url="redis://127.0.0.1:1/0"))
    yield
    retrying.close()
    settings.forget()


def _request(
    retries: int = 0,
    breaker: str = "shop",
    *,
    learns: bool | None = None,
    deadline_at: Any = math.inf,
    **headers: Any,
) -> SimpleNamespace:
    return SimpleNamespace(
        name="shop.pay",
        breaker=breaker,
        deadline=Deadline(deadline_at),
        task=SimpleNamespace(learn_retries=learns),
        request_dict={"retries": retries},
        claim=SimpleNamespace(started=True, is_ours=True, envelope={"headers": headers}),
    )


def _retry(seconds: float = 1.0) -> PutBack:
    eta = datetime.now(UTC) + timedelta(seconds=seconds)
    return PutBack(
        exc=ValueError("no"), delay_seconds=seconds, headers={"retries": 1, "eta": eta.isoformat()}
    )


def _paced(times: int, **request: Any) -> list[PutBack]:
    return [retrying.paced(_request(**request), _retry()) for _ in range(times)]


def test_a_retry_within_the_budget_is_left_as_it_was_asked_for() -> None:
    (asked,) = _paced(1)

    assert asked.delay_seconds == 1.0
    assert asked.note == ""


def test_a_retry_over_the_budget_waits_longer_and_its_history_says_so() -> None:
    asked = _paced(14)[-1]

    # 14 first attempts that failed make 2.8, and the floor is 10.
    assert asked.delay_seconds > 60
    more = times.length(asked.delay_seconds - 1)
    assert asked.note == f"put off for {more} more: the retry budget of 'shop' is used up"
    due = datetime.fromisoformat(asked.headers["eta"])
    assert abs((due - datetime.now(UTC)).total_seconds() - asked.delay_seconds) < 5


def test_without_a_dependency_there_is_no_budget() -> None:
    assert {asked.delay_seconds for asked in _paced(50, breaker="")} == {1.0}


def test_a_retry_over_the_budget_is_made_before_its_message_expires() -> None:
    expires = (datetime.now(UTC) + timedelta(seconds=65)).isoformat()
    asked = _paced(29, expires=expires)[-1]

    assert 55 < asked.delay_seconds <= 60


def test_a_retry_over_the_budget_is_made_before_its_deadline() -> None:
    asked = _paced(29, deadline_at=time.time() + 65)[-1]

    assert 55 < asked.delay_seconds <= 60


def test_what_was_not_begun_here_is_no_first_attempt() -> None:
    unbegun = _request()
    unbegun.claim.started = False
    for _ in range(1000):
        retrying.ended(unbegun, well=True)

    assert sum(asked.delay_seconds == 1.0 for asked in _paced(20, retries=1)) == 10


def test_a_retry_that_succeeds_has_paid_for_the_failure_before_it() -> None:
    request = _request(
        2, "", learns=True, **{FAILURES: [["", "KeyError", "", ""], ["", "ValueError", "", ""]]}
    )
    retrying.ended(request, well=True)
    retrying.ended(request, well=False)

    known = retrying.gives_up(_request(1, "", learns=True), asked := _retry())
    assert known == ""
    assert asked.note == "1 of 2 such retries helped"


def test_a_header_that_is_none_of_ours_teaches_nothing() -> None:
    oddities: tuple[Any, ...] = (None, "text", [], [[]], [["", 5]], {"a": 1})
    for odd in oddities:
        retrying.ended(_request(1, "", learns=True, **{FAILURES: odd}), well=False)
    retrying.gives_up(_request(0, "", learns=True), asked := _retry())

    assert asked.note == ""


def test_a_retry_that_never_helps_is_given_up_only_where_that_was_asked_for() -> None:
    failed = {FAILURES: [["", "ValueError", "", ""]]}
    for _ in range(400):
        retrying.ended(_request(1, "", learns=True, **failed), well=False)
    asked = _retry()

    assert retrying.gives_up(_request(0, "", learns=None), asked) == ""
    assert any(retrying.gives_up(_request(0, "", learns=True), asked) for _ in range(9))
    assert asked.exc
    assert retrying.explained(asked.exc).startswith(
        " (not tried again after attempt 1: 0 of 400 such retries helped"
    )


def test_a_retry_without_a_cause_is_never_given_up() -> None:
    failed = {FAILURES: [["", "celery.exceptions.Retry", "", ""]]}
    for _ in range(400):
        retrying.ended(_request(1, "", learns=True, **failed), well=False)

    assert not any(retrying.gives_up(_request(0, "", learns=True), PutBack()) for _ in range(9))


def test_odds_are_kept_for_each_attempt() -> None:
    retrying.ended(_request(3, "", learns=True, **{FAILURES: [["", "ValueError", "", ""]]}), well=True)

    experience = retrying._current().experience  # noqa: SLF001
    assert experience.odds(Failure("shop.pay", "ValueError", 3)) == Odds(1, 0)
    assert experience.odds(Failure("shop.pay", "ValueError", 2)) == Odds()
