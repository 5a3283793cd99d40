"""What becomes of an alert's record, and what is told of that."""

from dataclasses import replace

from orchestrator.alerts import changing, history, record
from orchestrator.alerts.record import Acknowledged, Alert, Raised, Silence
from tests.unit.alerts.standings import standing

LATE = Alert("queue_age:mails", "warning", "the oldest waits for 6m", component="mails")
RAISED = Raised(
    "queue_age:mails",
    "warning",
    "the oldest waits for 6m",
    since="2026-06-01T11:50:00+00:00",
    seen_at="2026-06-01T12:00:00+00:00",
    component="mails",
)
SILENCE = Silence(
    "queue_age:*", "2026-06-01T13:00:00+00:00", "ada", "a big import", "2026-06-01T11:00:00+00:00"
)
KNOWN = Acknowledged("ada", "on it", "2026-06-01T11:55:00+00:00")


def test_a_new_alert_is_raised_and_told() -> None:
    change = changing.found(standing(), LATE)

    assert change
    assert change.after == replace(RAISED, since="2026-06-01T12:00:00+00:00")
    assert history.fields(change) == {
        "event": "raised",
        "alert": "queue_age:mails",
        "severity": "warning",
        "sentence": "the oldest waits for 6m",
        "since": "2026-06-01T12:00:00+00:00",
        "component": "mails",
        "deliver": "1",
    }


def test_another_figure_changes_the_record_and_is_not_told() -> None:
    change = changing.found(standing([RAISED], seconds=1), replace(LATE, sentence="the oldest waits for 7m"))

    assert change
    assert isinstance(change.after, Raised)
    assert (change.after.sentence, change.after.since) == ("the oldest waits for 7m", RAISED.since)
    assert history.fields(change) == {}


def test_what_is_as_it_was_is_written_again_every_quarter_of_a_minute_only() -> None:
    assert changing.found(standing([RAISED], seconds=14), LATE) is None
    change = changing.found(standing([RAISED], seconds=15), LATE)

    assert change
    assert isinstance(change.after, Raised)
    assert change.after.seen_at == "2026-06-01T12:00:15+00:00"
    assert not change.event


def test_a_change_of_severity_is_told_with_what_it_was() -> None:
    change = changing.found(standing([RAISED]), replace(LATE, severity="critical"))

    assert change
    told = history.fields(change)
    assert (told["event"], told["before"], told["severity"], told["deliver"]) == (
        "severity",
        "warning",
        "critical",
        "1",
    )


def test_a_silenced_alert_is_raised_and_neither_it_nor_its_end_is_delivered() -> None:
    raised = changing.found(standing((), [SILENCE]), LATE)
    assert raised
    assert (raised.event, raised.deliver) == ("raised", False)
    assert isinstance(raised.after, Raised)

    cleared = changing.gone(standing([raised.after], [SILENCE]), LATE.name)

    assert cleared
    assert (cleared.event, cleared.deliver) == ("cleared", False)


def test_an_alert_that_outlives_its_silence_is_delivered_then() -> None:
    hidden = replace(RAISED, is_told=False)
    before = changing.found(standing([hidden], [SILENCE], seconds=3599), LATE)
    change = changing.found(standing([hidden], [SILENCE], seconds=3600), LATE)

    assert before
    assert (before.event, before.deliver) == (None, False)
    assert change
    assert (change.event, change.deliver) == ("still_raised", True)
    assert isinstance(change.after, Raised)
    assert change.after.is_told


def test_the_end_of_what_was_delivered_before_its_silence_is_delivered() -> None:
    change = changing.gone(standing([RAISED], [SILENCE]), LATE.name)

    assert change
    assert change.deliver


def test_what_is_acknowledged_is_not_delivered_again_until_it_clears() -> None:
    known = standing([replace(RAISED, acknowledged=KNOWN)])
    worse = changing.found(known, replace(LATE, severity="critical"))
    end = changing.gone(known, LATE.name)

    assert worse
    assert (worse.event, worse.deliver) == ("severity", False)
    assert end
    assert end.deliver


def test_only_what_is_raised_can_be_acknowledged() -> None:
    assert changing.acknowledged(standing(), LATE.name, "ada", "on it") is None
    change = changing.acknowledged(standing([RAISED]), LATE.name, "ada", "on it")

    assert change
    assert change.after == replace(RAISED, acknowledged=replace(KNOWN, at="2026-06-01T12:00:00+00:00"))
    assert (change.event, change.deliver, change.who, change.why) == ("acknowledged", False, "ada", "on it")


def test_what_nobody_has_judged_for_a_day_is_cleared_and_silences_end() -> None:
    day = 86_400
    before = standing([RAISED], [SILENCE], seconds=3599)
    assert changing.forgotten(before) == []

    ended = changing.forgotten(standing([RAISED], [SILENCE], seconds=day))
    all_ended = changing.forgotten(standing([RAISED], [SILENCE], seconds=day + 1))

    assert [(each.event, each.name) for each in ended] == [("silence_ended", "queue_age:*")]
    assert [(each.event, each.name, each.why) for each in all_ended] == [
        ("cleared", "queue_age:mails", "nobody has judged it for a day"),
        ("silence_ended", "queue_age:*", "a big import"),
    ]


def test_an_alert_that_was_not_judged_for_ten_minutes_or_three_intervals_is_stale() -> None:
    assert not RAISED.is_stale(standing(seconds=600).now, 60.0)
    assert RAISED.is_stale(standing(seconds=601).now, 60.0)
    assert not RAISED.is_stale(standing(seconds=3600).now, 1200.0)
    assert RAISED.is_stale(standing(seconds=3601).now, 1200.0)


def test_records_survive_redis_and_what_is_none_hides_no_other() -> None:
    known = replace(RAISED, acknowledged=KNOWN)
    stored = {
        "a": record.text(known).replace("{", '{"of a newer release": 1, ', 1),
        "b": "no record",
        "c": "[]",
        "d": '{"name": "x"}',
    }

    assert record.read(stored, Raised.of) == {"a": known}
