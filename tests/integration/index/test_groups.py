"""What fails alike is one group, with how many, since when, and how it goes on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from orchestrator.index.filters import Filter
from orchestrator.index.groups import Group, groups
from orchestrator.index.writing import write
from tests.integration.index.deaths import NOON, Database, death, set_state


def test_letters_of_one_fingerprint_are_a_group_told_by_its_latest_letter(database: Database) -> None:
    fell = replace(death("c", minutes=9), fingerprint="ff", exception="app.Fell", message="ouch")
    write(database, [death("a"), death("b", minutes=5), fell], max_replays=5)
    set_state(database, "a", "resolved")

    assert groups(database, Filter(), 10) == [
        Group(
            fingerprint="0123456789abcdef",
            exception="ValueError",
            reason="exception",
            task="app.bill",
            message="b is no number",
            letters=2,
            open=1,
            first_seen=NOON - timedelta(seconds=30),
            last_seen=NOON + timedelta(minutes=5),
            trend=[0] * 24,
        ),
        Group(
            fingerprint="ff",
            exception="app.Fell",
            reason="exception",
            task="app.bill",
            message="ouch",
            letters=1,
            open=1,
            first_seen=NOON + timedelta(minutes=9, seconds=-30),
            last_seen=NOON + timedelta(minutes=9),
            trend=[0] * 24,
        ),
    ]


def test_a_trend_counts_the_last_24_hours_the_oldest_first(database: Database) -> None:
    now = datetime.now(UTC)
    ages = {"a": 0.1, "b": 0.2, "c": 2.5, "d": 23.5, "e": 24.5}
    write(
        database,
        [replace(death(name), died_at=now - timedelta(hours=hours)) for name, hours in ages.items()],
        max_replays=5,
    )

    (group,) = groups(database, Filter(), 10)

    assert (group.letters, group.trend) == (5, [1, *[0] * 20, 1, 0, 2])


def test_a_group_has_only_letters_that_the_filter_finds(database: Database) -> None:
    write(database, [death("a"), replace(death("b", minutes=1), queue="mails")], max_replays=5)

    (group,) = groups(database, Filter(queues=("bills",), text="number"), 10)

    assert (group.letters, group.message) == (1, "a is no number")
    assert groups(database, Filter(queues=("none",)), 10) == []
