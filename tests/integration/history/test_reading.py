"""What the history says of a time is what was counted in it, wherever it lies by now."""

import random
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from redis import Redis

from monitoring.history.folding import fold
from monitoring.history.known import know
from monitoring.history.reading import series, totals
from monitoring.history.tiers import moment
from monitoring.recording.sums import Calls, Ended, Key, Sums, together
from monitoring.rollup.encoding import stored
from orchestrator.settings import Settings
from tests.integration.history.places import CALLED, PAID, count, present

Database = psycopg.Connection[Any]
PAID_ENDED = Ended("shop.pay", "celery", "succeeded", "")


def _some(chance: random.Random) -> Sums:
    calls = [chance.randrange(1, 10**6) for _ in range(4)]
    summed = Calls(
        4, sum(calls), {chance.randrange(-20, 0): 3, chance.randrange(1, 20): 1}, min(calls), max(calls)
    )
    return Sums(
        {Key("shop", "pay", "success"): summed},
        {("shop", "KeyError"): chance.randrange(1, 9)},
        {("circuit_breaker_trip", "shop"): 1},
        {("celery", "shop.pay"): summed},
        {PAID_ENDED: chance.randrange(1, 9)},
    )


def test_totals_are_those_of_the_minutes_since_then_to_the_minute(
    environment: Settings, client: Redis, database: Database
) -> None:
    chance, now = random.Random(7), present(client)
    ago = [1, 2, 59, 61, 130, 600, 1000, 1300, 1430]
    counted = {now - each: _some(chance) for each in ago}
    for minute, sums in counted.items():
        count(client, minute, stored(sums))
    fold(environment)

    for each in (*ago, 30, 90, 1200):
        since = [sums for minute, sums in counted.items() if minute >= now - each]
        assert totals(database, moment(now - each)) == together(since)


def test_a_time_that_has_ended_is_read_to_its_end(
    environment: Settings, client: Redis, database: Database
) -> None:
    now = present(client)
    for ago in range(1, 200):
        count(client, now - ago, {PAID: 1})
    fold(environment)

    assert totals(database, moment(now - 150), moment(now - 20)).outcomes == {PAID_ENDED: 130}


def test_each_period_is_read_by_itself_or_a_component_of_it(
    environment: Settings, client: Redis, database: Database
) -> None:
    now = present(client)
    for ago in (2, 3):
        count(client, now - ago, {PAID: ago, CALLED: "1 2000 2000 2000 -71 1"})
    fold(environment)

    found = series(database, moment(now - 10), component="shop.pay")

    assert [(each.tier, each.starts_at, each.sums) for each in found] == [
        ("minute", moment(now - 3), Sums(outcomes={PAID_ENDED: 3})),
        ("minute", moment(now - 2), Sums(outcomes={PAID_ENDED: 2})),
    ]
    assert {each.tier for each in series(database, moment(now - 1440))} == {"hour"}
    assert {each.tier for each in series(database, moment(now) - timedelta(days=30))} == {"day"}


@pytest.mark.parametrize("tier", [None, "hour"])
def test_what_waits_is_known_with_what_is_folded(environment: Settings, client: Redis, tier: Any) -> None:
    now = present(client)
    count(client, now - 2, {PAID: 1})
    fold(environment)
    count(client, now - 1, {PAID: 10}, identity="2.5")
    count(client, now, {PAID: 100}, identity="3.5")

    known = know(environment, moment(now - 30), None, tier)

    assert sum(each.sums.outcomes[PAID_ENDED] for each in known.periods) == 111
    assert known.unknown == {}


@pytest.mark.parametrize("is_folded", [True, False])
def test_a_time_ends_before_the_same_period_wherever_it_lies(
    environment: Settings, client: Redis, is_folded: object
) -> None:
    now = present(client)
    for ago in (1, 2, 3):
        count(client, now - ago, {PAID: 10**ago}, identity=f"{ago}.5")
    if is_folded:
        fold(environment)

    until = moment(now - 2) + timedelta(seconds=30)
    found: dict[Any, int] = {}
    for tier in (None, "minute", "hour", "day"):
        known = know(environment, moment(now - 30), until, tier)
        found[tier] = sum(each.sums.outcomes[PAID_ENDED] for each in known.periods)

    begun_later = {tier: 10 if now % minutes == 1 else 0 for tier, minutes in (("hour", 60), ("day", 1440))}
    begun_later |= {tier: 110 for tier, minutes in (("hour", 60), ("day", 1440)) if now % minutes == 2}
    assert found == {
        None: 1000,
        "minute": 1000,
        "hour": 1110 - begun_later["hour"],
        "day": 1110 - begun_later["day"],
    }


def test_a_component_or_task_is_read_by_itself(environment: Settings, client: Redis) -> None:
    now = present(client)
    count(client, now - 2, {PAID: 1, CALLED: "1 2000 2000 2000 -71 1"})
    fold(environment)
    count(client, now - 1, {PAID: 10, CALLED: "1 2000 2000 2000 -71 1"}, identity="2.5")

    for tier in (None, "day"):
        known = know(environment, moment(now - 30), None, tier, ("shop.pay",))
        assert together(each.sums for each in known.periods) == Sums(outcomes={PAID_ENDED: 11})


def test_what_is_folded_while_it_is_read_is_known_once(
    environment: Settings, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = present(client)
    count(client, now - 1, {PAID: 10})
    whole = psycopg.Connection.transaction

    def late(self: Any, *args: Any, **kwargs: Any) -> Any:
        monkeypatch.undo()
        fold(environment)
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(psycopg.Connection, "transaction", late)
    (period,) = know(environment, moment(now - 30), None, None).periods

    assert period.sums.outcomes == {PAID_ENDED: 10}


def test_postgresql_knows_how_little_of_a_tier_a_time_is(
    environment: Settings, client: Redis, database: Database
) -> None:
    """Else it reads all that is kept at each fold. Of tiers in one table it takes any time for one of all."""
    now = present(client)
    database.execute(
        "INSERT INTO metric_rollups SELECT tier, at, series, '1' FROM generate_series(1, 10) series,"
        " (SELECT 'hour', %(now)s - interval '1 hour' * n FROM generate_series(0, 1400) n UNION ALL"
        "  SELECT 'minute', %(now)s - interval '1 minute' * n FROM generate_series(0, 1400) n)"
        " AS of (tier, at)",
        {"now": moment(now)},
    )
    database.execute("ANALYZE")

    (((plan,),),) = database.execute(
        "EXPLAIN (FORMAT JSON) SELECT FROM metric_rollups WHERE tier = 'hour' AND starts_at >= %s",
        (moment(now - 1439),),
    ).fetchall()

    assert 120 < plan["Plan"]["Plan Rows"] < 480
