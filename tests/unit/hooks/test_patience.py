"""Waiting as long as something moves."""

from collections.abc import Callable

import pytest

from tasks.hooks.ingest.patience import IngestStopped, Patience


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


def _patience(clock: _Clock, seconds: float = 10.0) -> Patience:
    return Patience(seconds, clock, clock.sleep)


def test_nothing_that_moves_ends_the_wait_with_the_reason(clock: _Clock) -> None:
    wait = _patience(clock).begin()

    def wait_for_ever() -> None:
        while True:
            wait.pause(5, "the queue is full")

    with pytest.raises(IngestStopped, match="nothing moved for 10s: the queue is full"):
        wait_for_ever()
    assert clock.now == pytest.approx(10.0, abs=0.3)


def test_every_sign_of_life_begins_the_patience_anew(clock: _Clock) -> None:
    wait = _patience(clock).begin()
    for left in range(100):
        wait.pause(left, "no one works", seconds=9.0)
    assert clock.now == 900.0


def _failing(times: int) -> Callable[[], str]:
    failures = iter(range(times))

    def act() -> str:
        for _ in failures:
            raise ConnectionError("refused\nat length")
        return "done"

    return act


def test_what_comes_back_in_time_is_waited_for_and_told_once(clock: _Clock) -> None:
    told: list[str] = []
    assert _patience(clock).persist(_failing(20), (ConnectionError,), "the broker", told.append) == "done"
    assert told == ["the broker does not answer (refused); trying again for 10s"]


def test_what_stays_away_ends_the_ingest(clock: _Clock) -> None:
    with pytest.raises(IngestStopped, match=r"nothing moved for 10s: the broker does not answer \(refused\)"):
        _patience(clock).persist(_failing(1000), (ConnectionError,), "the broker", lambda _: None)


def test_another_error_is_nobodys_absence(clock: _Clock) -> None:
    with pytest.raises(ConnectionError):
        _patience(clock).persist(_failing(1), (KeyError,), "the broker", lambda _: None)
