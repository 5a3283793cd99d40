"""Alerts: raised at their limits, cleared below four fifths of them, kept while nothing is known."""

from collections.abc import Sequence
from typing import Any

import pytest

from orchestrator.alerts.record import Alert
from orchestrator.relay.watching.alerting import Figures, Limits, judge, limits
from orchestrator.settings import Settings

LIMITS = Limits(
    outbox_seconds=60.0, outbox=100, open_letters=1000, letters_per_minute=100.0, open_letter_hours=72.0
)
CALM: dict[str, Any] = {
    "outbox": 0,
    "outbox_seconds": 0.0,
    "overflow": 0,
    "refused": {},
    "open_letters": 0,
    "letters_per_minute": 0.0,
    "open_letter_hours": 0.0,
    "index_seconds": 0.0,
    "postgresql_seconds": 0.0,
}


def _judge(raised: Sequence[Alert] = (), **figures: Any) -> list[Alert]:
    return judge(Figures(**CALM | figures), LIMITS, {alert.name: alert for alert in raised})


def _names(alerts: list[Alert]) -> list[str]:
    return [alert.name for alert in alerts]


def test_nothing_is_raised_where_nothing_is_amiss() -> None:
    assert _judge() == []


@pytest.mark.parametrize(
    ("figure", "below", "at", "name"),
    [
        ("outbox_seconds", 59.9, 60.0, "outbox_waits"),
        ("outbox", 99, 100, "outbox_overflows"),
        ("overflow", 0, 1, "outbox_overflows"),
        ("refused", {}, {"a.dlq": "no"}, "topics_refuse"),
        ("open_letters", 999, 1000, "open_letters"),
        ("letters_per_minute", 99.9, 100.0, "letters_per_minute"),
        ("open_letter_hours", 71.9, 72.0, "open_letter_age"),
        ("index_seconds", 59.9, 60.0, "index_waits"),
        ("postgresql_seconds", 59.9, 60.0, "postgresql_away"),
    ],
)
def test_each_is_raised_at_its_limit(figure: str, below: Any, at: Any, name: str) -> None:
    assert _judge(**{figure: below}) == []
    assert _names(_judge(**{figure: at})) == [name]


@pytest.mark.parametrize(
    ("figure", "at", "trembling", "over"),
    [
        ("outbox_seconds", 60.0, 48.0, 47.9),
        ("outbox", 100, 80, 79),
        ("overflow", 5, 1, 0),
        ("open_letters", 1000, 800, 799),
    ],
)
def test_what_is_raised_is_cleared_below_four_fifths(figure: str, at: Any, trembling: Any, over: Any) -> None:
    raised = _judge(**{figure: at})
    still = _judge(raised, **{figure: trembling})

    assert _names(still) == _names(raised)
    assert _judge(still, **{figure: over}) == []


@pytest.mark.parametrize(
    ("figure", "at"), [("outbox_seconds", 60.0), ("overflow", 1), ("refused", {"a.dlq": "no"})]
)
def test_what_is_raised_stays_as_it_is_while_nothing_is_known(figure: str, at: Any) -> None:
    raised = _judge(**{figure: at})

    assert _judge(raised, **{figure: None}) == raised


def test_an_outbox_that_waits_says_why() -> None:
    (alert,) = _judge(outbox=7, overflow=None, outbox_seconds=61.0, kafka_error="no broker answers")

    assert alert == Alert(
        "outbox_waits", "critical", "7 dead letters wait, the oldest for 1m 1s (no broker answers)"
    )


def test_a_topic_that_refuses_is_named_with_what_kafka_says() -> None:
    (alert,) = _judge(refused={"orders.dlq": "Topic authorization failed"})

    assert alert.sentence.endswith("orders.dlq: Topic authorization failed")


def test_the_limits_are_those_of_the_settings() -> None:
    assert limits(
        Settings.model_validate(
            {
                "OMNINODE_ALERT_OUTBOX_SECONDS": "1",
                "OMNINODE_OUTBOX_HIGH_WATER": "2",
                "OMNINODE_ALERT_OPEN_LETTERS": "3",
                "OMNINODE_ALERT_LETTERS_PER_MINUTE": "4",
                "OMNINODE_ALERT_OPEN_LETTER_HOURS": "5",
            }
        )
    ) == Limits(1.0, 2, 3, 4.0, 5.0)
