"""What INFO says about keeping what is enqueued."""

from typing import Any

import pytest

from monitoring.health import Degraded, Unhealthy
from monitoring.health.probes.redis import judge

KEEPS = {
    "redis_version": "8.2.1",
    "role": "master",
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
    "maxmemory": 0,
    "maxmemory_policy": "noeviction",
    "used_memory": 1_000_000,
}


def _degraded(changes: dict[str, Any], appendfsync: str = "always") -> str:
    found = judge(KEEPS | changes, appendfsync)
    assert isinstance(found, Degraded)
    return found.sentence


def test_always_is_healthy() -> None:
    assert judge(KEEPS, "always") == "Redis 8.2.1; every write is on disk before it is acknowledged"


def test_everysec_is_healthy_and_the_sentence_says_what_a_crash_can_lose() -> None:
    found = judge(KEEPS | {"server_name": "valkey", "valkey_version": "9.1.2"}, "everysec")

    assert found == (
        "Valkey 9.1.2; a crash of its host can lose the last second "
        "(appendfsync everysec; `always` loses nothing)"
    )


def test_a_server_that_permits_no_config_is_healthy_and_says_what_is_unknown() -> None:
    assert judge(KEEPS, "") == (
        "Redis 8.2.1; how often it is written to disk cannot be read (CONFIG is not permitted)"
    )


def test_no_append_only_file_is_degraded_and_the_sentence_says_what_to_do() -> None:
    assert _degraded({"aof_enabled": 0}) == (
        "the append-only file is off, a restart loses tasks: set `appendonly yes`"
    )


def test_an_evicting_policy_is_degraded() -> None:
    assert _degraded({"maxmemory_policy": "allkeys-lru"}) == (
        "`maxmemory-policy allkeys-lru` evicts tasks when memory is short: set `noeviction`"
    )


def test_both_complaints_are_told_at_once() -> None:
    sentence = _degraded({"aof_enabled": 0, "maxmemory_policy": "volatile-ttl"})

    assert "append-only file is off" in sentence
    assert "volatile-ttl" in sentence


def test_appendfsync_no_is_degraded() -> None:
    assert "half a minute" in _degraded({}, appendfsync="no")


def test_an_append_only_file_that_cannot_be_written_is_degraded() -> None:
    assert "is its disk full?" in _degraded({"aof_last_write_status": "err"})


def test_a_nearly_full_server_is_degraded() -> None:
    assert _degraded({"maxmemory": 1_050_000}).startswith("95% of `maxmemory` is used")


def test_a_replica_is_unhealthy_because_nothing_can_be_enqueued_there() -> None:
    with pytest.raises(Unhealthy, match="read-only replica"):
        judge(KEEPS | {"role": "slave"}, "always")
