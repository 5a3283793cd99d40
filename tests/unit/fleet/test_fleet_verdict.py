"""What follows from the parts of a fleet: a verdict, reasons of stable names, none from what is unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.fleet.figures import (
    PARTS,
    BeatFigures,
    BreakerFigures,
    Fleet,
    QueueFigures,
    RelayFigures,
    RunningFigures,
)
from monitoring.fleet.verdict import judge_fleet
from monitoring.judging.health import Health
from monitoring.judging.thresholds import Thresholds
from monitoring.recording.sums import Calls, Ended, Key, Snapshot, Sums
from monitoring.rollup.processes import Process
from orchestrator.queues.serving import ServingWorker
from orchestrator.settings import Settings
from orchestrator.timeouts.fleet import Entry

_THRESHOLDS = Thresholds(24.0, 60.0, 5.0, 5000.0)
_SETTINGS = Settings.model_construct(
    health_interval_seconds=30.0,
    perf_monitor_sampling_interval=60.0,
    alert_queue_age_seconds=300.0,
    alert_breaker_open_seconds=300.0,
    alert_outbox_seconds=60.0,
)
_WORKER = ServingWorker("w@h", "h", 1, "prefork", 2, ("celery",), 1000.0)
_IDLE = QueueFigures(0, 0, 0, 0, paused=False, oldest_waiting_seconds=None, workers=1)
_HEALTHY = Fleet(
    at=1000.0,
    queues={"celery": _IDLE},
    workers=(_WORKER,),
    beat=BeatFigures(5.0, "b"),
    relays=RelayFigures(("r",), 0, 0.0),
    breakers={"openai": BreakerFigures("closed")},
    running=RunningFigures(0),
    processes=(Process("h:1", "w@h", 1, "worker", 100, {"redis": 3}), Process("h:2", "h", 2, "relay", 50)),
    metrics_behind_minutes=1,
)


def test_an_idle_fleet_is_healthy_without_a_reason() -> None:
    health = _judge(_HEALTHY)

    assert (health.status, health.reasons) == ("healthy", ())
    assert health.surroundings.memory_bytes == 150
    assert health.surroundings.connections == {"redis": 3}


def test_an_idle_fleet_without_a_relay_is_healthy() -> None:
    assert _judge(replace(_HEALTHY, relays=RelayFigures((), 0, 0.0))).status == "healthy"


@pytest.mark.parametrize(
    ("change", "status", "names"),
    [
        ({"workers": ()}, "critical", ["no_workers"]),
        ({"unknown": {"redis": "refused"}, "queues": None}, "critical", ["redis_away"]),
        ({"queues": {"a": replace(_IDLE, waiting=1, workers=0)}}, "degraded", ["no_consumer:a"]),
        ({"queues": {"a": replace(_IDLE, workers=0)}}, "healthy", []),
        (
            {"queues": {"a": replace(_IDLE, waiting=1, oldest_waiting_seconds=301.0)}},
            "degraded",
            ["queue_age:a"],
        ),
        ({"queues": {"a": replace(_IDLE, waiting=1, oldest_waiting_seconds=300.0)}}, "healthy", []),
        ({"queues": {"a": replace(_IDLE, waiting=1, oldest_waiting_seconds=None)}}, "healthy", []),
        (
            {"queues": {"a": replace(_IDLE, waiting=1, oldest_waiting_seconds=9e9, workers=0, paused=True)}},
            "healthy",
            ["paused:a"],
        ),
        ({"beat": BeatFigures()}, "degraded", ["beat_late"]),
        ({"beat": BeatFigures(75.0, "b")}, "healthy", []),
        ({"beat": BeatFigures(75.1, "b")}, "degraded", ["beat_late"]),
        ({"beat": BeatFigures(1.0, "b", "c")}, "degraded", ["two_beats"]),
        ({"relays": RelayFigures((), 1, 9.9)}, "healthy", []),
        ({"relays": RelayFigures((), 1, 10.0)}, "degraded", ["relay_away"]),
        ({"relays": RelayFigures(("r",), 1, 61.0, "no broker")}, "degraded", ["outbox_waits"]),
        ({"breakers": {"x": BreakerFigures("open", 10.0, "is open")}}, "degraded", ["circuit:x"]),
        ({"breakers": {"x": BreakerFigures("half_open", 301.0)}}, "degraded", ["breaker_open:x"]),
        ({"breakers": {"x": BreakerFigures("open", None)}}, "degraded", ["circuit:x"]),
        (
            {"breakers": {"x": BreakerFigures("open", 9e9, "is open", is_unused=True)}},
            "healthy",
            ["unused:x"],
        ),
        ({"running": RunningFigures(3, 1)}, "degraded", ["stuck_tasks"]),
        ({"metrics_behind_minutes": 5}, "healthy", []),
        ({"metrics_behind_minutes": 6}, "degraded", ["metrics_behind"]),
        ({"metrics_behind_minutes": 1200}, "critical", ["metrics_behind"]),
        ({"relays": None, "unknown": {"relays": "slow"}}, "degraded", ["unknown:relays"]),
        ({"unknown": {"delayed": "too many"}}, "healthy", ["unknown:delayed"]),
    ],
)
def test_each_part_has_its_reason(change: dict[str, Any], status: str, names: list[str]) -> None:
    health = _judge(replace(_HEALTHY, **change))

    assert (health.status, [reason.name for reason in health.reasons]) == (status, names)


def test_parts_that_are_unknown_for_the_same_reason_are_one_reason() -> None:
    unknown = {"queues": "no route", "workers": "no route", "letters": "refused"}

    reasons = _judge(replace(_HEALTHY, unknown=unknown, queues=None, workers=None)).reasons

    assert [reason.sentence for reason in reasons] == [
        "unknown is dead letters in PostgreSQL: refused",
        "unknown is queues, workers: no route",
    ]


def test_sums_that_are_unknown_are_a_reason() -> None:
    health = judge_fleet(Snapshot(0, 0.0, trouble="no route"), _HEALTHY, _THRESHOLDS, _SETTINGS)

    assert (health.status, [each.name for each in health.reasons]) == ("degraded", ["unknown:metrics"])


def test_errors_of_all_calls_count_beside_the_fleets_parts_and_the_worst_comes_first() -> None:
    calls = Calls(10, 10, {0: 10}, 1, 1)
    snapshot = Snapshot(7, 1.0, minutes={7: Sums({Key("shop", "run", "error"): calls})})

    health = judge_fleet(snapshot, replace(_HEALTHY, beat=BeatFigures()), _THRESHOLDS, _SETTINGS)

    assert health.status == "critical"
    assert [each.name for each in health.reasons] == ["error_rate", "error_rate:shop", "beat_late"]


def test_a_name_that_a_terminal_would_obey_is_shown_escaped_and_kept_in_the_reasons_name() -> None:
    health = _judge(replace(_HEALTHY, queues={"a\x1b[2J": replace(_IDLE, waiting=2, workers=0)}))

    (reason,) = health.reasons
    assert reason.name == "no_consumer:a\x1b[2J"
    assert "\x1b" not in reason.sentence


@pytest.mark.parametrize(
    ("is_declared", "outcome", "trouble", "is_offered"),
    [
        (True, None, "", False),
        (False, None, "", True),
        (False, "succeeded", "", False),
        (False, "retried", "", False),
        # A sweep has ended it: no worker was ever there.
        (False, "dead_lettered", "", True),
        (False, None, "Redis does not answer", False),
    ],
)
def test_a_purge_is_offered_only_of_queues_that_nobody_declares_and_no_worker_has_taken_from(
    is_declared: object, outcome: str | None, trouble: str, is_offered: object
) -> None:
    outcomes = {Ended("shop.pay", "a b", outcome, ""): 1} if outcome else {}
    snapshot = Snapshot(7, 1.0, total=Sums(outcomes=outcomes), trouble=trouble)
    queue = replace(_IDLE, waiting=2, workers=0, is_declared=bool(is_declared))

    health = judge_fleet(snapshot, replace(_HEALTHY, queues={"a b": queue}), _THRESHOLDS, _SETTINGS)

    (sentence,) = [each.sentence for each in health.reasons if each.name == "no_consumer:a b"]
    start = "2 tasks in the queue 'a b', which no worker serves: start one with `-Q 'a b'`"
    purge = "if its name is a mistake, `omninode queues purge 'a b'` deletes what is in it"
    assert sentence == (f"{start}; or, as nobody declares it, {purge}" if is_offered else start)


def test_a_stuck_task_is_named() -> None:
    entry = Entry("task", "slow", "id-1", "h", "w", 1, 0.0, 99.0, "", None, 1.0, "running", None)

    (reason,) = _judge(replace(_HEALTHY, running=RunningFigures(2, 1, (entry,)))).reasons

    assert reason.sentence == (
        "1 task beyond the hard limit or deadline by more than 10 s, and running on, such as slow[id-1]: "
        "see `omninode running`"
    )


_seconds = st.none() | st.floats(min_value=0, max_value=1e7)
_queues = st.builds(
    QueueFigures,
    waiting=st.integers(0, 5),
    delayed=st.none() | st.integers(0, 5),
    aside=st.none() | st.integers(0, 5),
    in_flight=st.integers(0, 5),
    paused=st.booleans(),
    oldest_waiting_seconds=_seconds,
    workers=st.integers(0, 3),
)
_breakers = st.builds(BreakerFigures, st.sampled_from(["closed", "open", "half_open"]), _seconds)
_fleets = st.builds(
    Fleet,
    at=st.just(1000.0),
    queues=st.none() | st.dictionaries(st.text(max_size=5), _queues, max_size=3),
    workers=st.sampled_from([None, (), (_WORKER,)]),
    beat=st.none() | st.builds(BeatFigures, _seconds, st.just("b"), st.none() | st.just("c")),
    relays=st.none()
    | st.builds(
        RelayFigures, st.sampled_from([(), ("r",)]), st.integers(0, 3), st.floats(min_value=0, max_value=1e7)
    ),
    breakers=st.none() | st.dictionaries(st.text(max_size=5), _breakers, max_size=3),
    running=st.none() | st.builds(RunningFigures, st.integers(0, 5), st.integers(0, 5)),
    processes=st.just(None),
    metrics_behind_minutes=st.none() | st.integers(0, 2000),
    unknown=st.dictionaries(st.sampled_from(PARTS), st.text(max_size=5), max_size=4),
)


@given(_fleets)
def test_the_status_is_that_of_the_worst_reason_and_no_two_have_one_name(fleet: Fleet) -> None:
    health = _judge(fleet)

    severities = {reason.severity for reason in health.reasons}
    worst = "critical" if "critical" in severities else "degraded" if "warning" in severities else "healthy"
    assert health.status == worst
    names = [reason.name for reason in health.reasons]
    assert len(names) == len(set(names))


@given(_fleets)
def test_what_is_unknown_leads_to_no_other_reason_than_that(fleet: Fleet) -> None:
    blank = replace(
        fleet,
        queues=None,
        workers=None,
        beat=None,
        relays=None,
        breakers=None,
        running=None,
        metrics_behind_minutes=None,
    )

    names = {reason.name.partition(":")[0] for reason in _judge(blank).reasons}

    assert names <= {"redis_away", "unknown"}


@given(_fleets, st.floats(min_value=0.1, max_value=1.0))
def test_lower_limits_clear_no_reason_that_a_higher_one_has(fleet: Fleet, part: float) -> None:
    lower = _SETTINGS.model_copy(update={"alert_queue_age_seconds": 300.0 * part})

    at_limits = {reason.name for reason in _judge(fleet).reasons}
    below = {each.name for each in judge_fleet(Snapshot(0, 0.0), fleet, _THRESHOLDS, lower).reasons}

    assert at_limits <= below


def _judge(fleet: Fleet) -> Health:
    return judge_fleet(Snapshot(0, 0.0), fleet, _THRESHOLDS, _SETTINGS)
