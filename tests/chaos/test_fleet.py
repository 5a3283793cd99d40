"""An outage of a dependency of a real fleet: few calls reach it, none is lost, and they return gently."""

import pytest

from tests.chaos.fleet.trial import POLICY, PROCESSES, Fault, kill_redis, kill_the_prober, run

_TASKS = 2000


@pytest.mark.parametrize("fault", [None, kill_redis, kill_the_prober], ids=["outage", "redis", "prober"])
def test_an_outage_costs_a_few_calls_and_no_task(database_url: str, fault: Fault | None) -> None:
    outcome = run(database_url, _TASKS, 6.0, fault)

    assert outcome.served == set(range(_TASKS))
    assert outcome.reached_while_away <= outcome.bound
    assert outcome.letters == 0
    # Those whose failure was settled before the trip.
    assert outcome.retries < POLICY["failure_threshold"]
    assert outcome.most_a_second <= POLICY["ramp_per_second"] + 2 * PROCESSES
