"""Lists of messages that belong to no known queue are found, at a cost that does not grow with all keys."""

from typing import Any

import pytest
from redis import Redis

from orchestrator import keys, redis
from orchestrator.queues import finding
from orchestrator.settings import Settings


@pytest.fixture
def server(environment: Settings) -> Redis:
    return redis.connect(environment.redis_url)


def test_lists_are_found_and_other_keys_and_answers_to_remote_control_are_not(server: Redis) -> None:
    server.lpush("shop", "message")
    server.lpush("id.reply.celery.pidbox", "answer")
    server.set("celery-task-meta-1", "result")

    assert finding.find(server) == {"shop"}


def test_all_keys_are_looked_through_once_a_minute_whoever_asks(server: Redis) -> None:
    server.lpush("first", "message")
    assert finding.find(server) == {"first"}
    server.lpush("second", "message")
    before = _scans(server)

    assert finding.find(server) == {"first"}
    assert _scans(server) == before

    server.hincrby(keys.finding(), "began", -61)
    assert finding.find(server) == {"first", "second"}


def test_a_list_that_was_emptied_is_forgotten_at_the_end_of_the_next_turn(server: Redis) -> None:
    server.lpush("gone", "message")
    assert finding.find(server) == {"gone"}
    server.delete("gone")
    server.hincrby(keys.finding(), "began", -61)
    server.zincrby(keys.found_lists(), -61, "gone")

    finding.find(server)

    assert finding.find(server) == set()


def test_among_many_keys_one_look_goes_on_where_the_last_one_has_stopped(
    server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server.pipeline(transaction=False) as pipeline:
        for number in range(5000):
            pipeline.set(f"other:{number}", "1")
        pipeline.lpush("shop", "message")
        pipeline.execute()
    monkeypatch.setattr(finding, "_LOOK_SECONDS", -1.0)

    looks = 0
    while not looks or server.hget(keys.finding(), "cursor") != "0":
        found = finding.find(server)
        looks += 1

    assert 3 <= looks <= 10
    assert found == {"shop"}


def test_a_prefix_keeps_other_programs_lists_out(server: Redis) -> None:
    server.lpush("a[b]*:own", "message")
    server.lpush("ab:foreign", "message")

    assert finding.find(server, "a[b]*:") == {"a[b]*:own"}


def _scans(server: Redis) -> int:
    stats: Any = server.info("commandstats")
    return int(stats.get("cmdstat_scan", {"calls": 0})["calls"])
