"""Processes that share a breaker: what one of them learns holds for all of them, at once."""

from __future__ import annotations

import pytest

from orchestrator.breaker.store import Store
from orchestrator.policy import Policy
from tests.integration.breaker.callers import Caller, callers
from tests.own_redis import OwnRedis
from tests.processes import wait_until

_OPENS_LONG = Policy(failure_threshold=3, failure_rate=None, open_seconds=60, ramp_seconds=0)


def _opens_soon(probes: int, lease_seconds: float = 30.0) -> Policy:
    return Policy(
        failure_threshold=1,
        failure_rate=None,
        open_seconds=0.2,
        open_jitter=0,
        probes=probes,
        probe_lease_seconds=lease_seconds,
        ramp_seconds=0,
    )


def test_a_trip_in_one_process_is_pushed_to_all_others(server: OwnRedis, fleet: list[Caller]) -> None:
    for caller in fleet:
        caller.use("pushed", _OPENS_LONG)

    assert fleet[0].ask("call", "pushed", fails=3) == {"ran": 3, "refused": 0}

    # They made no call since: what is not in use is not read, it is heard of.
    wait_until(lambda: all(caller.ask("refuses", "pushed") for caller in fleet), what="the push")
    assert fleet[3].ask("call", "pushed", well=5) == {"ran": 0, "refused": 5}


def test_failures_of_several_processes_count_together(server: OwnRedis, fleet: list[Caller]) -> None:
    for caller in fleet:
        caller.use("together", _OPENS_LONG)
    for caller in fleet[:3]:
        assert caller.ask("call", "together", fails=1) == {"ran": 1, "refused": 0}

    wait_until(lambda: fleet[3].ask("refuses", "together"), what="the trip")


def test_what_went_well_before_the_outage_ends_no_row_of_another_process(
    server: OwnRedis, fleet: list[Caller]
) -> None:
    policy = Policy(failure_threshold=3, minimum_calls=1000, open_seconds=60, ramp_seconds=0)
    for caller in fleet:
        caller.use("late", policy)
        caller.ask("call", "late", well=5)

    for caller in fleet[:3]:
        assert caller.ask("call", "late", fails=1) == {"ran": 1, "refused": 0}

    wait_until(lambda: fleet[3].ask("refuses", "late"), what="the trip")


def test_a_process_that_starts_while_it_is_open_lets_no_call_through(
    server: OwnRedis, fleet: list[Caller]
) -> None:
    fleet[0].use("cold", _OPENS_LONG)
    fleet[0].ask("call", "cold", fails=3)

    with callers(1, server.port) as (newcomer,):
        assert newcomer.ask("call", "cold", well=20) == {"ran": 0, "refused": 20}


def test_a_forked_child_knows_the_state_and_hears_of_the_next(server: OwnRedis, fleet: list[Caller]) -> None:
    fleet[0].use("forked", _OPENS_LONG)
    fleet[1].use("forked", _OPENS_LONG)

    fleet[0].tell("fork", "forked")
    child = server.client.blpop(["child-called"], 10)
    fleet[1].ask("call", "forked", fails=3)
    wait_until(lambda: fleet[1].ask("refuses", "forked"))
    server.client.rpush("child-goes-on", "1")

    assert child == ("child-called", '{"ran": 1, "refused": 0}')
    assert fleet[0].heard() == {"ran": 0, "refused": 1}
    # And its parent's link is its own still.
    wait_until(lambda: fleet[0].ask("refuses", "forked"), what="the push")


@pytest.mark.parametrize("probes", [1, 3])
def test_exactly_as_many_calls_probe_as_may(server: OwnRedis, fleet: list[Caller], probes: int) -> None:
    name = f"probed-{probes}"
    server.client.delete("probing", "refused", "gate")
    for caller in fleet:
        caller.use(name, _opens_soon(probes))
    fleet[0].ask("call", name, fails=1)
    wait_until(lambda: all(caller.ask("refuses", name) for caller in fleet))
    wait_until(lambda: fleet[0].ask("left", name) == 0)

    for caller in fleet:
        caller.tell("rush", name, threads=8)
    wait_until(lambda: server.client.get("refused") == str(32 - probes), what="the refusals")

    assert server.client.get("probing") == str(probes)
    server.client.rpush("gate", *["open"] * probes)
    assert all(caller.heard() for caller in fleet)
    wait_until(lambda: fleet[3].ask("circuit", name) == "closed", what="the closing")


def test_a_killed_prober_holds_nobody_up_for_longer_than_its_lease(
    server: OwnRedis, fleet: list[Caller]
) -> None:
    policy = _opens_soon(probes=1, lease_seconds=0.5)
    server.client.delete("probing", "refused", "gate")
    with callers(1, server.port) as (prober,):
        prober.use("killed", policy)
        fleet[0].use("killed", policy)
        prober.ask("call", "killed", fails=1)
        wait_until(lambda: prober.ask("left", "killed") == 0)
        prober.ask("rush", "killed", threads=1)
        wait_until(lambda: server.client.get("probing") == "1")
        prober.kill()

    wait_until(lambda: fleet[0].ask("call", "killed")["ran"] == 1, what="the next probe")


def test_a_flush_while_it_is_open_lets_no_process_call(server: OwnRedis, fleet: list[Caller]) -> None:
    for caller in fleet:
        caller.use("everywhere", _OPENS_LONG)
    fleet[0].ask("call", "everywhere", fails=3)
    wait_until(lambda: all(caller.ask("refuses", "everywhere") for caller in fleet))

    server.client.flushall()
    ran = [fleet[number % 4].ask("call", "everywhere", well=5)["ran"] for number in range(40)]

    wait_until(lambda: Store(server.client).read(["everywhere"])[0].circuit == "open")
    assert sum(ran) == 0
    assert [caller.ask("call", "everywhere", well=5)["ran"] for caller in fleet] == [0, 0, 0, 0]


def test_a_process_that_ends_tells_of_its_successes(server: OwnRedis) -> None:
    policy = Policy(failure_threshold=None, failure_rate=0.5)
    with callers(1, server.port) as (short_lived,):
        short_lived.use("short-lived", policy)
        short_lived.end()

    details = Store(server.client).details("short-lived")

    assert details
    assert details.ok == 1
