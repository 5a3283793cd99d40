"""A health check that keeps failing is asked less often, and says so."""

from collections.abc import Callable

import pytest

from monitoring.health import Check, Degraded, Unhealthy
from monitoring.health.guarding import run_guarded
from monitoring.health.run import run
from monitoring.health.verdict import CheckResult
from orchestrator.breaker import breaker
from orchestrator.breaker.store import Store
from orchestrator.settings import Settings
from tests.integration.breaker_applied import policies
from tests.processes import wait_until


class Shelf:
    """What is checked; `asked` is how often."""

    def __init__(self) -> None:
        self.asked = 0
        self.says: Callable[[], str | Degraded | None] = self.is_empty

    def __call__(self) -> str | Degraded | None:
        self.asked += 1
        return self.says()

    def is_empty(self) -> None:
        raise Unhealthy("none left")


@pytest.fixture
def shelf(environment: Settings) -> Shelf:
    return Shelf()


def _look(shelf: Shelf, times: int = 1, last: CheckResult | None = None) -> CheckResult:
    for _ in range(times):
        (last,) = run_guarded([Check("shelf", shelf)], {"shelf": last} if last else {})
    assert last
    return last


def test_after_three_failures_it_is_not_asked_and_says_what_it_said_last(shelf: Shelf) -> None:
    failed = _look(shelf, 3)
    skipped = _look(shelf, 2, failed)

    assert shelf.asked == 3
    assert (failed.status, failed.sentence) == ("unhealthy", "none left")
    assert skipped.status == "unhealthy"
    assert skipped.checked_at == failed.checked_at
    assert skipped.sentence.startswith("not asked for another 1")
    assert skipped.sentence.endswith("s, as its circuit is open: none left")
    assert skipped.sentence.count("not asked") == 1


def test_others_are_asked_meanwhile(shelf: Shelf) -> None:
    last = _look(shelf, 3)
    found = run_guarded([Check("shelf", shelf), Check("till", lambda: "full")], {"shelf": last})

    assert {each.name: each.status for each in found} == {"till": "healthy", "shelf": "unhealthy"}


def test_what_somebody_has_isolated_says_so_and_keeps_what_was_found(shelf: Shelf, store: Store) -> None:
    shelf.says = lambda: "12 left"
    found = _look(shelf)
    store.control("health:shelf", "isolate", who="a test", why="it is being moved")
    wait_until(lambda: breaker("health:shelf").state.mode == "isolated", what="the word of it")

    skipped = _look(shelf, 2, found)

    assert shelf.asked == 1
    assert (skipped.status, skipped.sentence) == ("healthy", "not asked while it is isolated: 12 left")


def test_degraded_is_no_failure(shelf: Shelf) -> None:
    shelf.says = lambda: Degraded("2 left: order some")

    assert _look(shelf, 5).sentence == "2 left: order some"
    assert shelf.asked == 5


def test_by_hand_it_is_asked_all_the_same(shelf: Shelf) -> None:
    _look(shelf, 3)
    (found,) = run([Check("shelf", shelf)])

    assert (shelf.asked, found.sentence) == (4, "none left")


def test_when_its_time_has_come_it_is_asked_again(environment: Settings, shelf: Shelf, store: Store) -> None:
    policies.use(environment, {"health:*": {"failure_threshold": 1, "open_seconds": 0.05, "ramp_seconds": 0}})
    last = _look(shelf)
    shelf.says = lambda: "12 left"

    wait_until(lambda: _look(shelf, 1, last).status == "healthy", what="the check")
    wait_until(lambda: store.read(["health:shelf"])[0].circuit == "closed", what="the closed circuit")


def test_one_that_is_not_guarded_is_asked_every_time(shelf: Shelf) -> None:
    check = Check("fleet", shelf, guarded=False)
    for _ in range(5):
        (found,) = run_guarded([check], {})

    assert (shelf.asked, found.sentence) == (5, "none left")
