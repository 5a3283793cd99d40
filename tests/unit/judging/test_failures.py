"""What is judged of a task is how it ends, of everything else how its calls end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitoring.judging.failures import Failures, failures, whole
from monitoring.judging.health import Health, judge
from monitoring.judging.surroundings import Surroundings
from monitoring.judging.thresholds import Thresholds
from monitoring.recording.sums import Calls, Ended, Key, Snapshot, Status, Sums

_THRESHOLDS = Thresholds(24.0, 60.0, 5.0, 5000.0)


def test_a_retry_that_helps_is_no_failure() -> None:
    flaky = _outcomes("shop.flaky", retried=100, succeeded=100)

    health = _judge(flaky + _calls("shop.flaky", success=100, error=100))

    assert (health.status, health.reasons, health.error_percent) == ("healthy", (), 0.0)
    # While all of them wait for their second attempt nothing is concluded either.
    waiting = _outcomes("shop.flaky", retried=100) + _calls("shop.flaky", error=100)
    assert _judge(waiting).status == "healthy"


def test_tasks_that_die_are_told_with_how_many_and_the_limit_they_are_held_against() -> None:
    health = _judge(
        _outcomes("shop.bad", succeeded=70, dead_lettered=30, retried=60)
        + _outcomes("shop.good", succeeded=400)
        + _calls("shop.bad", success=70, error=90)
    )

    assert [reason.sentence for reason in health.reasons] == [
        "6.0 % of all tasks died (30 of 500 in the last 5 minutes), which is above 5 %",
        (
            "30.0 % of the tasks of 'shop.bad' died (30 of 100 in the last 5 minutes), "
            "which is critical from 10 % on"
        ),
    ]
    assert [reason.severity for reason in health.reasons] == ["warning", "critical"]
    assert health.as_json()["components"]["shop.bad"]["error_rate_percent"] == 30.0
    assert health.figures()["error_rate_percent"] == 6.0


def test_tasks_and_calls_are_judged_together_each_by_its_own() -> None:
    health = _judge(_outcomes("shop.pay", succeeded=10, dead_lettered=5) + _calls("kafka", success=10))

    assert health.reasons[0].sentence == (
        "20.0 % of all tasks and calls failed (5 of 25 in the last 5 minutes), which is critical from 10 % on"
    )


def test_a_task_that_dies_without_a_call_is_judged_and_shown() -> None:
    health = _judge(_outcomes("nobody.knows", dead_lettered=10))

    assert health.as_json()["components"]["nobody.knows"] == {
        "status": "critical",
        "total_requests": 0,
        "error_rate_percent": 100.0,
        "average_duration_ms": None,
        "p95_duration_ms": None,
    }


def test_what_beat_sends_for_ourselves_makes_no_rate_smaller() -> None:
    ours = _outcomes("omninode.health.check", succeeded=1000) + _calls("omninode.hooks.sweep", success=1000)

    health = _judge(ours + _outcomes("shop.bad", succeeded=15, dead_lettered=5))

    assert (health.status, health.error_percent) == ("critical", 25.0)
    # By themselves they are judged as any other.
    died = _judge(_outcomes("omninode.health.check", dead_lettered=10))
    assert (died.status, [each.name for each in died.reasons]) == (
        "degraded",
        ["error_rate:omninode.health.check"],
    )


def test_calls_that_are_counted_in_the_minute_after_their_tasks_are_not_judged_when_these_are_forgotten() -> (
    None
):
    minutes = {1: _outcomes("shop.flaky", retried=50), 2: _calls("shop.flaky", error=50)}

    assert failures(Snapshot(7, 0.0, minutes=minutes), 5) == {}
    assert failures(Snapshot(8, 0.0, minutes=minutes), 6) == {}


_counts = st.fixed_dictionaries({}, optional={key: st.integers(0, 50) for key in ("success", "error")})
_ends = st.fixed_dictionaries(
    {}, optional={key: st.integers(0, 50) for key in ("succeeded", "dead_lettered", "retried", "revoked")}
)
_names = st.sampled_from(["a", "b", "c", "omninode.health.check"])


@given(st.dictionaries(_names, _counts), st.dictionaries(_names, _ends))
def test_the_whole_is_the_sum_of_all_but_ours_and_no_part_fails_more_than_it_ends(
    calls: dict[str, dict[Status, int]], ends: dict[str, dict[str, int]]
) -> None:
    sums = Sums()
    for name, by_status in calls.items():
        sums += _calls(name, **by_status)
    for name, by_outcome in ends.items():
        sums += _outcomes(name, **by_outcome)

    found = failures(Snapshot(7, 0.0, minutes={7: sums}), 5)

    assert all(0 <= each.failed <= each.ended and not (each.tasks and each.calls) for each in found.values())
    others = [each for name, each in found.items() if name != "omninode.health.check"]
    assert whole(found) == sum(others, Failures())


def _judge(sums: Sums) -> Health:
    return judge(Snapshot(7, 0.0, minutes={7: sums}), _THRESHOLDS, Surroundings())


def _outcomes(task: str, **counts: int) -> Sums:
    return Sums(outcomes={Ended(task, "celery", outcome, ""): count for outcome, count in counts.items()})


def _calls(component: str, **counts: int) -> Sums:
    statuses: dict[str, Status] = {"success": "success", "error": "error"}
    return Sums(
        {
            Key(component, "run", statuses[status]): Calls(count, count, {0: count} if count else {}, 1, 1)
            for status, count in counts.items()
        }
    )
