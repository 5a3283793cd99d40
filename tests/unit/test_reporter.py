"""Reports: told before they are settled, again while something is away, and never at others' expense."""

from collections.abc import Iterator
from threading import Event

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError

from orchestrator.worker.reporter import Reporter


@pytest.fixture
def reporter() -> Iterator[Reporter]:
    made = Reporter()
    yield made
    made.close(0.0)


class _Teller:
    """Fails so many times, with this exception, before it can tell."""

    def __init__(self, error: BaseException, times: int) -> None:
        self.told = 0
        self.settled = Event()
        self._error = error
        self._left = times

    def tell(self) -> None:
        if self._left:
            self._left -= 1
            raise self._error
        self.told += 1

    def settle(self) -> None:
        self.settled.set()


def test_what_cannot_be_told_while_redis_is_away_is_told_later_and_then_settled(reporter: Reporter) -> None:
    teller = _Teller(RedisConnectionError("away"), 3)

    reporter.report(teller.tell, teller.settle)

    assert teller.settled.wait(20)
    assert teller.told == 1


@pytest.mark.parametrize("error", [TypeError("a bug"), SystemExit(3)])
def test_what_can_never_be_told_is_settled_after_five_tries(reporter: Reporter, error: BaseException) -> None:
    teller, otherwise = _Teller(error, 1000), Event()

    reporter.report(teller.tell, teller.settle)
    # What is settled only as it is told names another way.
    reporter.report(teller.tell, lambda: None, otherwise.set)

    assert teller.settled.wait(20)
    assert otherwise.wait(20)
    assert teller.told == 0


def test_a_full_redis_is_settled_first_and_told_then(reporter: Reporter) -> None:
    told, teller = Event(), _Teller(OutOfMemoryError("full"), 1)

    def tell() -> None:
        teller.tell()
        assert teller.settled.is_set()
        told.set()

    reporter.report(tell, teller.settle)

    assert told.wait(20)


def test_reports_that_wait_for_somebody_hold_up_no_other(reporter: Reporter) -> None:
    for _ in range(20):
        stuck = _Teller(RedisConnectionError("away"), 1000)
        reporter.report(stuck.tell, stuck.settle)
    prompt = _Teller(TypeError(), 0)

    reporter.report(prompt.tell, prompt.settle)

    assert prompt.settled.wait(20)


def test_what_is_under_way_when_it_closes_is_finished(reporter: Reporter) -> None:
    teller = _Teller(RedisConnectionError("away"), 1)
    reporter.report(teller.tell, teller.settle)

    reporter.close(20.0)

    assert teller.settled.is_set()


def test_what_is_untold_when_time_is_up_stays_unsettled(reporter: Reporter) -> None:
    teller = _Teller(RedisConnectionError("away"), 1000)
    reporter.report(teller.tell, teller.settle)

    reporter.close(0.5)

    assert not teller.settled.is_set()
