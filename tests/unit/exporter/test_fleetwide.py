"""What the gauges of a fleet say, and that promtool finds nothing to complain of in any of them."""

import subprocess
from datetime import UTC, datetime

import pytest

from monitoring.exporter.figures import Figures
from monitoring.exporter.text import text
from monitoring.fleet.figures import (
    BeatFigures,
    BreakerFigures,
    Fleet,
    LetterFigures,
    QueueFigures,
    RelayFigures,
    RunningFigures,
)
from monitoring.judging.thresholds import Thresholds
from monitoring.recording.sums import Calls, Ended, Key, Snapshot, Sums
from orchestrator.alerts.standing import Standing
from orchestrator.settings import Settings
from tests.observability.programs import programs
from tests.patterns import exposition

_CALLS = Calls(2, 3000, {-72: 2}, 1000, 2000)
_SUMS = Sums(
    {Key("shop", "order", "success"): _CALLS, Key("shop", "order", "error"): _CALLS},
    {("shop", "ConnectionError"): 2},
    {("circuit_breaker_trip", "shop"): 1, ("soft_timeout", "shop"): 1, ("replay", "shop"): 1},
    {("mails", "shop.order"): _CALLS},
    {Ended("shop.order", "mails", "succeeded", ""): 2},
)
_QUEUES = {
    "mails": QueueFigures(1, 2, 3, 4, paused=False, oldest_waiting_seconds=5.0, workers=1),
    "held": QueueFigures(1, 0, None, 0, paused=True, oldest_waiting_seconds=9000.0, workers=0),
    "odd\x1b[31m": QueueFigures(7, 0, 0, 0, paused=False, oldest_waiting_seconds=1.0, workers=1),
}
_BREAKERS = {
    "closed": BreakerFigures("closed"),
    "open": BreakerFigures("open", 400.0),
    "unused": BreakerFigures("half_open", 90_000.0, is_unused=True),
}


@pytest.fixture(scope="module")
def told() -> str:
    fleet = Fleet(
        0.0,
        queues=_QUEUES,
        workers=(),
        beat=BeatFigures(12.0),
        relays=RelayFigures(("relay",), 1, 2.0),
        letters=LetterFigures(0, 3, 0.0, 1.0),
        breakers=_BREAKERS,
        running=RunningFigures(1),
        processes=(),
        metrics_behind_minutes=6,
    )
    standing = Standing(datetime.now(UTC))
    thresholds = Thresholds(24.0, 60.0, 5.0, 5000.0)
    figures = Figures(Snapshot(0, 1.0, _SUMS), fleet, standing, {}, thresholds, Settings())
    return text(figures, "healthy").decode()


def test_letters_are_told_while_redis_is_away_and_what_is_not_known_of_queues_is_not_said_to_be() -> None:
    away = dict.fromkeys(("redis", "queues", "relays"), "it does not answer")
    fleet = Fleet(0.0, letters=LetterFigures(0, 3, 0.0, 1.0), unknown=away)
    figures = Figures(Snapshot(0, 1.0), fleet, None, away, Thresholds(24.0, 60.0, 5.0, 5000.0), Settings())

    said = text(figures, "critical").decode()

    assert exposition.value(said, "omninode_open_letters") == 3
    known = {has["what"]: value for has, value in exposition.values(said, "omninode_known")}
    assert (known["letters"], known["queues"], known["delayed"], known["aside"]) == (1, 0, 0, 0)


def test_what_waits_by_order_is_told_apart_from_what_waits_in_vain(told: str) -> None:
    assert exposition.value(told, "omninode_queue_paused", queue="held") == 1
    assert exposition.value(told, "omninode_queue_paused", queue="mails") == 0


def test_a_queue_is_called_as_where_it_is_counted(told: str) -> None:
    assert exposition.value(told, "omninode_queue_messages", queue=r"odd\x1b[31m", state="waiting") == 7
    assert "\x1b" not in told


def test_a_circuit_that_nobody_calls_any_more_is_told_apart_from_one_that_stays_open(told: str) -> None:
    found = {has["breaker"]: value for has, value in exposition.values(told, "omninode_breaker_unused")}

    assert found == {"closed": 0, "open": 0, "unused": 1}


def test_how_far_the_history_is_behind_is_told_in_seconds_as_prometheus_has_it(told: str) -> None:
    assert exposition.value(told, "omninode_metrics_behind_seconds") == 360


def test_promtool_has_no_complaint_of_any_metric(told: str) -> None:
    command = [str(programs().promtool), "check", "metrics"]
    done = subprocess.run(command, input=told, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
