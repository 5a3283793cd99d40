"""Looks at the fleet on real servers: one at a time, and what cannot be found out changes nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from monitoring.alerts.looking import look_once
from orchestrator import keys, redis
from orchestrator.alerts.store import Store
from orchestrator.breaker.store import Store as Breakers
from orchestrator.dev.ports import LOOPBACK, free
from orchestrator.policy import Policy
from orchestrator.settings import Settings

# Every look is one that counts, however soon it comes.
LIMITS: dict[str, Any] = {"perf_monitor_sampling_interval": 0.001, "alert_breaker_open_seconds": 0.001}


@pytest.fixture
def limits(environment: Settings) -> Settings:
    return environment.model_copy(update=LIMITS)


@pytest.fixture
def client(environment: Settings) -> Iterator[Redis]:
    with redis.connect(environment.broker_url) as connected:
        yield connected


def test_who_looks_while_another_one_does_judges_nothing_and_takes_no_turn_away(
    client: Redis, limits: Settings
) -> None:
    client.set(keys.alert_look(), "another", px=60_000)

    assert [look_once(limits).is_judged for _ in range(2)] == [False, False]
    assert client.get(keys.alert_look()) == "another"
    client.delete(keys.alert_look())
    assert look_once(limits).is_judged
    assert not client.exists(keys.alert_look())


def test_looks_on_each_others_heels_confirm_nothing(client: Redis, environment: Settings) -> None:
    for _ in range(3):
        look_once(environment)

    assert "no_workers" not in Store(client).read().raised


def test_a_restart_between_two_looks_is_no_alert_and_two_looks_without_a_worker_are(
    client: Redis, limits: Settings
) -> None:
    first, second, third = (look_once(limits).names("raised") for _ in range(3))

    assert "no_workers" not in first
    assert "no_workers" in second
    assert third == []


def test_what_cannot_be_found_out_any_more_stays_as_it_is(client: Redis, limits: Settings) -> None:
    breakers = Breakers(client)
    breakers.register("billing", Policy())
    breakers.control("billing", "open", who="ada", why="a trial")
    look_once(limits)
    before = Store(client).read().raised["breaker_open:billing"]
    (port,) = free(1)
    away = {"redis_url": f"redis://{LOOPBACK}:{port}/0", "celery_broker_url": limits.broker_url}

    looks = [look_once(limits.model_copy(update=away)) for _ in range(3)]

    raised = Store(client).read().raised
    assert "breakers" in looks[0].unknown
    assert raised["breaker_open:billing"] == before
    assert raised["redis_away"].severity == "critical"
    look_once(limits)
    look_once(limits)
    assert "redis_away" not in Store(client).read().raised
