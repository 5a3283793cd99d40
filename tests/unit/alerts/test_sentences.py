"""What an alert says of itself is so now: also between its limits, and while it waits to be cleared."""

from dataclasses import replace
from typing import Any

import pytest

from monitoring.alerts import asking, hysteresis
from monitoring.alerts.asking import Asked
from monitoring.alerts.hysteresis import Found
from monitoring.fleet.figures import Fleet
from monitoring.recording.sums import Calls, Key, Snapshot, Sums
from orchestrator.alerts import changing, history
from orchestrator.alerts.record import Raised
from orchestrator.settings import Settings
from tests.unit.alerts.standings import after, standing

SETTINGS = Settings.model_construct(
    perf_monitor_retention_hours=24.0,
    perf_monitor_sampling_interval=60.0,
    perf_monitor_error_threshold=5.0,
    perf_monitor_response_threshold=5000.0,
    health_interval_seconds=30.0,
    alert_queue_age_seconds=300.0,
    alert_breaker_open_seconds=300.0,
    alert_outbox_seconds=60.0,
)
RATE = Raised(
    "error_rate", "critical", "20.7 % of all calls failed", since="2026-06-01T11:50:00+00:00", seen_at=""
)
NONE = Raised("no_workers", "critical", "no worker lives: start one", since="2026-06-01T11:50:00+00:00")


def _of_calls(successes: int, failures: int) -> Found:
    calls = {
        Key("shop", "call", "success"): Calls(successes, successes, {0: successes}, 1, 1),
        Key("shop", "call", "error"): Calls(failures, failures, {0: failures}, 1, 1),
    }
    asked = Asked(Snapshot(10, 0.0, minutes={10: Sums(calls=calls)}), Fleet(0.0))
    return asking.found(asked, asking.verdict(asked, SETTINGS), SETTINGS, counts=True)


@pytest.mark.parametrize(
    ("failures", "severity", "sentence"),
    [
        (45, "warning", "4.5 % of all calls failed (45 of 1000 in the last 5 minutes): clears below 4 %"),
        (
            70,
            "warning",
            "7.0 % of all calls failed (70 of 1000 in the last 5 minutes), which is above 5 %",
        ),
        (
            85,
            "critical",
            "8.5 % of all calls failed (85 of 1000 in the last 5 minutes): a warning again below 8 %",
        ),
        (
            120,
            "critical",
            "12.0 % of all calls failed (120 of 1000 in the last 5 minutes), which is critical from 10 % on",
        ),
    ],
)
def test_what_is_between_its_limits_says_its_present_figures_and_below_which_it_ends(
    failures: int, severity: str, sentence: str
) -> None:
    now = standing([RATE])

    (change,) = (
        each
        for each in hysteresis.changes(now, _of_calls(1000 - failures, failures), frozenset())
        if each and each.name == "error_rate"
    )

    assert isinstance(change.after, Raised)
    assert (change.after.severity, change.after.present_sentence) == (severity, sentence)
    # What is delivered is what the history has.
    assert history.fields(change).get("sentence") == (None if severity == "critical" else sentence)


def test_what_waits_to_be_cleared_says_that_it_was_not_so_at_the_last_look() -> None:
    now, said = standing([NONE]), []
    for number, counts in enumerate([False, True, False], 1):
        changes = [each for each in hysteresis.changes(now, Found(counts=counts), frozenset()) if each]
        now = after(now, changes, number * 5.0)
        said.append(now.raised["no_workers"].present_sentence)

    assert said == [
        "not so at the last look; clears if it stays so (it was: no worker lives: start one)",
        "not so at the last look; clears at the next (it was: no worker lives: start one)",
        "not so at the last look; clears at the next (it was: no worker lives: start one)",
    ]


def test_what_is_so_again_says_so_and_what_was_acknowledged_meanwhile_told_how_it_was() -> None:
    absent = standing([replace(NONE, is_absent=True)])
    known = changing.acknowledged(absent, "no_workers", "ada", "on it")
    back: Any = changing.found(absent, NONE)
    over = changing.gone(absent, "no_workers")

    assert known
    assert history.fields(known)["sentence"].startswith("not so at the last look; ")
    assert back.after.present_sentence == "no worker lives: start one"
    assert over
    assert history.fields(over)["sentence"] == "no worker lives: start one"
