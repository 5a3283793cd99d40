"""A trip is told of by every process that hears of it, and counted for the fleet by the one that made it."""

from __future__ import annotations

from orchestrator.policy import Policy
from tests.integration.breaker.callers import Caller
from tests.own_redis import OwnRedis
from tests.processes import wait_until

_OPENS_LONG = Policy(failure_threshold=3, failure_rate=None, open_seconds=60, ramp_seconds=0)


def _told(fleet: list[Caller], name: str) -> list[tuple[int, int]]:
    """Of how many trips each process has told, and how many are its own."""
    each = [caller.ask("trips", name) for caller in fleet]
    return [(trips["heard"], trips["own"]) for trips in each]


def _use(fleet: list[Caller], name: str) -> None:
    for caller in fleet:
        caller.use(name, _OPENS_LONG)


def test_a_trip_is_that_of_the_process_whose_report_made_it(server: OwnRedis, fleet: list[Caller]) -> None:
    _use(fleet, "reported")
    fleet[0].ask("call", "reported", fails=2)
    fleet[1].ask("call", "reported", fails=1)

    wait_until(lambda: _told(fleet, "reported") == [(1, 0), (1, 1), (1, 0), (1, 0)], what="the push")


def test_a_trip_by_hand_is_that_of_the_process_that_was_told_to(
    server: OwnRedis, fleet: list[Caller]
) -> None:
    _use(fleet[:2], "by hand")
    assert fleet[0].ask("open", "by hand") == "open"
    wait_until(lambda: _told(fleet[:2], "by hand") == [(1, 1), (1, 0)], what="the push")

    # It is open already: this is none.
    assert fleet[1].ask("open", "by hand") == "open"
    assert _told(fleet[:2], "by hand") == [(1, 1), (1, 0)]


def test_a_trip_by_hand_counts_where_its_process_uses_no_such_breaker(
    server: OwnRedis, fleet: list[Caller]
) -> None:
    _use(fleet[:1], "unused")
    assert fleet[3].ask("open", "unused") == "open"

    wait_until(lambda: _told(fleet, "unused") == [(1, 0), (0, 0), (0, 0), (1, 1)], what="the push")

    # Whatever else it does to what it has opened opens nothing.
    assert [fleet[3].ask("open", "unused", action=each) for each in ("isolate", "open")] == ["open", "open"]
    assert _told(fleet[3:], "unused") == [(1, 1)]


def test_while_redis_is_away_each_process_has_trips_of_its_own(server: OwnRedis, fleet: list[Caller]) -> None:
    _use(fleet[:2], "away")
    server.kill()
    try:
        fleet[0].ask("call", "away", fails=3)
        fleet[1].ask("call", "away", fails=1)
        assert _told(fleet[:2], "away") == [(1, 1), (0, 0)]
    finally:
        server.start_again()
    # What is given back to Redis is no trip once more, and the other process only hears of it.
    wait_until(lambda: _told(fleet[:2], "away") == [(1, 1), (1, 0)], what="the return")
