"""Minutes that are over are in the history once, whatever happens to those who fold them."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from redis import Redis

from monitoring.history import rows
from monitoring.history.batch import Batch
from monitoring.history.folding import LOCK_ID, Folded, fold
from monitoring.history.windows import Windows
from orchestrator import keys
from orchestrator.errors import PostgresUnavailable
from orchestrator.settings import Settings
from orchestrator.tally import script
from tests.integration.history.places import CALLED, PAID, by_tier, count, listed, present, told
from tests.own_redis import own_redis
from tests.processes import wait_until

Database = psycopg.Connection[Any]
EACH_TIER = ("minute", "hour", "day")


class Killed(BaseException):
    """What stops a process here does so without a word."""


def _of_all(number: int) -> dict[str, int]:
    return dict.fromkeys(EACH_TIER, number)


def test_a_minute_that_is_over_is_kept_by_minute_hour_and_day(
    environment: Settings, client: Redis, database: Database
) -> None:
    minute = present(client) - 1
    count(client, minute, {PAID: 3, CALLED: "2 5000 2000 3000 -71 1 -67 1"})

    folded = fold(environment)

    assert (folded.windows, folded.rows, folded.unreadable) == (1, 6, 0)
    found = database.execute(
        "SELECT kind, labels, count, micros, least_micros, most_micros, buckets FROM metric_history"
        " WHERE tier = 'hour' ORDER BY kind"
    ).fetchall()
    assert found == [
        ("call", ["shop", "pay", "success"], 2, 5000, 2000, 3000, [-71, 1, -67, 1]),
        ("outcome", ["shop.pay", "celery", "succeeded", ""], 3, None, None, None, None),
    ]
    assert by_tier(database) == _of_all(5)
    assert told(client) == {PAID: "3", CALLED: "2 5000 2000 3000 -71 1 -67 1"}


def test_what_is_folded_no_longer_waits_and_is_read_for_a_while(environment: Settings, client: Redis) -> None:
    minute = present(client) - 1
    count(client, minute, {PAID: 3})

    fold(environment)

    assert (listed(client, "minutes"), listed(client, "windows")) == ([], [])
    assert listed(client, "folded") == [f"{minute}:1.5"]
    assert 0 < client.ttl(keys.metrics(f"window:{minute}:1.5")) <= 1200


def test_the_present_minute_goes_on(environment: Settings, client: Redis, database: Database) -> None:
    minute, folded = -1, None
    while minute != present(client):
        minute = present(client)
        client.flushdb()
        count(client, minute, {PAID: 3})
        folded = fold(environment)

    assert folded
    assert folded.windows == 0
    assert listed(client, "minutes") == [str(minute)]


def test_all_that_was_counted_until_now_is_folded_where_that_is_wanted(
    environment: Settings, client: Redis, database: Database
) -> None:
    count(client, present(client), {PAID: 3})
    fold(environment, now=True)
    count(client, present(client), {PAID: 4}, identity="2.5")

    fold(environment, now=True)

    assert by_tier(database) == _of_all(7)
    assert (told(client), listed(client, "minutes")) == ({PAID: "7"}, [])


def test_counts_that_go_on_while_others_fold_are_each_folded_once(
    environment: Settings, client: Redis, database: Database
) -> None:
    lua = f"""{script.counting()}
        metrics_count(metrics_counted_in(ARGV[1], redis.call('TIME')), ARGV[2], ARGV[2], 1)"""

    with ThreadPoolExecutor(3) as pool:
        folds = [pool.submit(fold, environment, now=True) for _ in range(8)]
        for _ in range(2000):
            client.eval(lua, 0, keys.metrics(""), PAID)
        assert sum(each.result().windows for each in folds) > 0
    fold(environment, now=True)

    assert by_tier(database) == _of_all(2000)
    assert told(client) == told(client, "totals") == {PAID: "2000"}


def _fold_alone(environment: Settings) -> Folded:
    """Fold, as soon as the server has noticed that who was killed is gone."""
    done: list[Folded] = []

    def is_alone() -> bool:
        done.append(fold(environment))
        return done[-1].is_alone

    wait_until(is_alone, what="the end of a connection")
    return done[-1]


def _stops(patch: pytest.MonkeyPatch, owner: Any, name: str, *, is_done: bool) -> None:
    whole = getattr(owner, name)

    def stop(*args: Any, **kwargs: Any) -> Any:
        if is_done:
            whole(*args, **kwargs)
        raise Killed

    patch.setattr(owner, name, stop)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "step",
    [
        (Windows, "seal"),
        (Windows, "begin"),
        (Windows, "waiting"),
        (Batch, "write"),
        (rows, "add"),
        (rows, "delete_old"),
        (rows, "read"),
        (Windows, "finish"),
    ],
    ids=lambda step: step[1],
)
def test_a_window_is_folded_once_whatever_step_was_the_last_one(
    environment: Settings, client: Redis, database: Database, step: tuple[Any, str], when: str
) -> None:
    minute = present(client)
    count(client, minute - 2, {PAID: 1})
    count(client, minute - 1, {PAID: 10})
    with pytest.MonkeyPatch.context() as patch:
        _stops(patch, *step, is_done=when == "after")
        with pytest.raises(Killed):
            fold(environment)

    _fold_alone(environment)

    assert by_tier(database) == _of_all(11)
    assert told(client) == {PAID: "11"}
    assert listed(client, "windows") == []


def test_what_was_folded_but_still_waits_is_skipped(
    environment: Settings, client: Redis, database: Database
) -> None:
    count(client, present(client) - 1, {PAID: 1})
    with pytest.MonkeyPatch.context() as patch:
        _stops(patch, Windows, "finish", is_done=False)
        with pytest.raises(Killed):
            fold(environment)

    folded = _fold_alone(environment)

    assert (folded.windows, folded.skipped) == (0, 1)


def test_while_one_folds_another_does_nothing(
    environment: Settings, client: Redis, database: Database
) -> None:
    count(client, present(client) - 1, {PAID: 1})
    database.execute("SELECT pg_advisory_lock(%s)", (LOCK_ID,))

    folded = fold(environment)

    assert (folded.is_alone, folded.windows) == (False, 0)
    assert by_tier(database) == {}


def test_many_that_fold_at_once_fold_each_window_once(
    environment: Settings, client: Redis, database: Database
) -> None:
    for minute in range(present(client) - 40, present(client)):
        count(client, minute, {PAID: 1})

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(fold, [environment] * 12))

    assert sum(each.windows for each in done) == 40
    assert by_tier(database) == _of_all(40)
    assert told(client) == {PAID: "40"}


def test_who_was_overtaken_does_not_tell_what_is_kept(environment: Settings, client: Redis) -> None:
    windows = Windows(client, "")
    slow = windows.begin()
    windows.begin()

    assert windows.finish(slow, [], {PAID: "1"}) == (False, 0)
    assert told(client) == {}


def test_after_a_day_without_beat_every_minute_is_folded(
    environment: Settings, client: Redis, database: Database
) -> None:
    for minute in range(present(client) - 1439, present(client)):
        count(client, minute, {PAID: 1})

    assert fold(environment).windows == 1439
    assert by_tier(database) == _of_all(1439)
    assert told(client) == {PAID: "1439"}


def test_what_takes_too_long_is_left_to_the_next_time(
    environment: Settings, client: Redis, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitoring.history.folding.ENOUGH_SECONDS", 0.0)
    monkeypatch.setattr("monitoring.history.folding._FIELDS_AT_ONCE", 1)
    for ago in range(1, 4):
        count(client, present(client) - ago, {PAID: 1})

    assert [fold(environment).windows for _ in range(4)] == [1, 1, 1, 0]
    assert by_tier(database) == _of_all(3)
    assert (told(client), listed(client, "windows")) == ({PAID: "3"}, [])


def test_after_a_flush_what_is_kept_is_told_anew(environment: Settings, client: Redis) -> None:
    count(client, present(client) - 1, {PAID: 7})
    fold(environment)
    client.flushdb()

    fold(environment)

    assert told(client) == {PAID: "7"}


def test_a_redis_that_has_lost_its_last_moments_counts_nothing_twice(
    environment: Settings, client: Redis, database: Database
) -> None:
    minute = present(client) - 1
    count(client, minute, {PAID: 7})
    before = {key: client.dump(key) for key in client.keys()}  # noqa: SIM118
    fold(environment)
    client.flushdb()
    for key, stored in before.items():
        client.restore(key, 0, stored)  # type: ignore[arg-type]

    folded = fold(environment)

    assert (folded.windows, folded.skipped) == (0, 1)
    assert by_tier(database) == _of_all(7)
    assert (told(client), listed(client, "windows")) == ({PAID: "7"}, [])


def test_a_redis_that_crashes_and_comes_back_counts_nothing_twice(
    environment: Settings, database: Database
) -> None:
    with own_redis() as server:
        own = environment.model_copy(update={"redis_url": f"redis://127.0.0.1:{server.port}/0"})
        count(server.client, present(server.client) - 1, {PAID: 7})
        with pytest.MonkeyPatch.context() as patch:
            _stops(patch, Windows, "finish", is_done=False)
            with pytest.raises(Killed):
                fold(own)
        server.kill()
        server.start_again()

        folded = _fold_alone(own)

        assert (folded.windows, folded.skipped) == (0, 1)
        assert told(server.client) == {PAID: "7"}
    assert by_tier(database) == _of_all(7)


def test_a_full_redis_hinders_no_fold(environment: Settings, database: Database) -> None:
    with own_redis() as server:
        own = environment.model_copy(update={"redis_url": f"redis://127.0.0.1:{server.port}/0"})
        count(server.client, present(server.client) - 1, {PAID: 7})
        server.client.config_set("maxmemory", 1)

        folded = fold(own)

        assert folded.windows == 1
        assert told(server.client) == {PAID: "7"}


def test_a_second_window_of_a_minute_adds_up(
    environment: Settings, client: Redis, database: Database
) -> None:
    minute = present(client) - 1
    count(client, minute, {PAID: 7, CALLED: "1 2000 2000 2000 -71 1"})
    fold(environment)
    count(client, minute, {PAID: 1, CALLED: "1 3000 3000 3000 -67 1"}, identity="2.5")

    fold(environment)

    assert by_tier(database) == _of_all(10)
    assert told(client) == {PAID: "8", CALLED: "2 5000 2000 3000 -71 1 -67 1"}


def test_minutes_ahead_of_a_clock_that_was_set_back_are_folded(
    environment: Settings, client: Redis, database: Database
) -> None:
    count(client, present(client) + 30, {PAID: 7})

    assert fold(environment).windows == 1
    assert by_tier(database) == _of_all(7)


def test_a_window_that_is_gone_is_counted_as_lost(environment: Settings, client: Redis) -> None:
    client.zadd(keys.metrics("windows"), {"100:1.5": 100})

    folded = fold(environment)

    assert (folded.lost, folded.windows) == (1, 0)
    assert listed(client, "windows") == []


def test_a_minute_that_beat_was_away_for_too_long_for_is_counted_as_lost(
    environment: Settings, client: Redis
) -> None:
    minute = present(client) - 1500
    count(client, minute, {PAID: 1})
    client.delete(keys.metrics(f"minute:{minute}"))

    done = [fold(environment), fold(environment)]

    assert [(each.lost, each.windows) for each in done] == [(1, 0), (0, 0)]
    assert (listed(client, "minutes"), listed(client, "windows")) == ([], [])


def test_who_is_frozen_while_it_folds_holds_up_the_others_for_a_while_only(
    environment: Settings, client: Redis, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    count(client, present(client) - 1, {PAID: 7})
    monkeypatch.setattr("monitoring.history.folding._LONGEST_SECONDS", 1.0)
    frozen = _fork_that_freezes_in(environment, "waiting")
    try:
        wait_until(lambda: os.waitpid(frozen, os.WUNTRACED | os.WNOHANG)[0] == frozen, what="its freeze")

        assert not fold(environment).is_alone
        assert _fold_alone(environment).windows == 1
    finally:
        os.kill(frozen, signal.SIGKILL)
        os.waitpid(frozen, 0)


def _fork_that_freezes_in(environment: Settings, step: str) -> int:
    child = os.fork()
    if child == 0:
        setattr(Windows, step, lambda _: os.kill(os.getpid(), signal.SIGSTOP))
        try:
            fold(environment)
        finally:
            os._exit(0)
    return child


def test_what_cannot_be_read_is_left_out_and_counted(
    environment: Settings, client: Redis, database: Database
) -> None:
    strange = {
        PAID: 1,
        CALLED: "2 5000",
        '["outcome","a\\u0000b","c","succeeded",""]': 2,
        '["outcome","lone \\ud800","c","succeeded",""]': 4,
        '["event","retry_attempt","' + "x" * 3000 + '"]': 8,
        '["event","retry_attempt","y"]': "many",
        '["unheard of","z"]': 5,
        "[" * 3000: 5,
        "overflowed": 5,
    }
    count(client, present(client) - 1, strange)

    folded = fold(environment)

    assert (folded.windows, folded.unreadable) == (1, 4)
    assert by_tier(database) == _of_all(15)


def test_of_names_invented_one_by_one_the_rest_is_one(
    environment: Settings, client: Redis, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitoring.history.series.MOST_A_DAY", 2)
    names = [f'["event","retry_attempt","{number}"]' for number in range(5)]
    count(client, present(client) - 1, dict.fromkeys(names, 1))

    fold(environment)

    assert sorted(told(client).values()) == ["1", "1", "3"]
    assert told(client)['["event","retry_attempt","other"]'] == "3"
    assert by_tier(database) == _of_all(5)


def test_totals_are_cleared_of_names_that_are_gone(
    environment: Settings, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitoring.history.windows.TOTALS_CLEARED_FROM", 3)
    now = '["event","retry_attempt","now"]'
    count(client, present(client) - 1, {PAID: 1})
    gone = {f'["event","retry_attempt","{number}"]': 1 for number in range(3)}
    client.hset(keys.metrics("totals"), mapping={"since": 1, PAID: 9, now: 1} | gone)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        whole = Windows.seal

        def seal(self: Windows, **_: Any) -> int:
            found = whole(self)
            count(client, found, {now: 1}, identity="3.5")
            return found

        patch.setattr(Windows, "seal", seal)
        folded = fold(environment)

    assert folded.forgotten == 3
    assert client.hgetall(keys.metrics("totals")) == {"since": "1", PAID: "9", now: "1", "forgotten": "3"}


def test_rows_of_minutes_end_with_the_retention_and_the_rest_stays(
    environment: Settings, client: Redis, database: Database
) -> None:
    minute = present(client)
    count(client, minute - 1400, {PAID: 1})
    count(client, minute - 1, {PAID: 10})
    fold(environment)
    shorter = environment.model_copy(update={"perf_monitor_retention_hours": 1.0})

    folded = fold(shorter)

    assert (folded.deleted, told(client)) == (1, {PAID: "10"})
    assert by_tier(database) == {"minute": 10, "hour": 11, "day": 11}


def test_what_waits_is_not_folded_while_nothing_can_be_written(environment: Settings, client: Redis) -> None:
    count(client, present(client) - 1, {PAID: 1})
    away = environment.model_copy(update={"database_url": "postgresql://postgres@127.0.0.1:1/none"})

    with pytest.raises(PostgresUnavailable):
        fold(away)

    assert len(listed(client, "windows")) == 1
    assert fold(environment).windows == 1
