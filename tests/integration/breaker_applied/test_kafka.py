"""The relay tells of Kafka, and asks nobody whether it may go on."""

import pytest

from orchestrator import keys, redis
from orchestrator.breaker.store import Store
from orchestrator.relay.kafka.telling import Telling
from orchestrator.settings import Settings
from tests.integration.breaker_applied import policies
from tests.integration.relay.moved import moving, put
from tests.processes import wait_until


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(environment: Settings) -> Clock:
    return Clock()


def _circuit(store: Store) -> str:
    return store.read(["kafka"])[0].circuit


def test_an_outage_is_one_failure_in_five_seconds_however_many_letters_it_meets(
    clock: Clock, store: Store
) -> None:
    telling = Telling(clock)
    for _ in range(100):
        telling.failed("no broker answers")
    details = store.details("kafka")
    assert details
    assert (details.failures, details.error) == (1, "KafkaUnavailable: no broker answers")

    for _ in range(2):
        clock.now += 5.0
        telling.failed("no broker answers")
    assert _circuit(store) == "open"


def test_letters_that_get_through_begin_the_count_anew_and_close_the_circuit(
    environment: Settings, clock: Clock, store: Store
) -> None:
    policies.use(environment, {"kafka": {"failure_threshold": 2, "open_seconds": 0.05, "ramp_seconds": 0}})
    telling = Telling(clock)
    telling.failed("away")
    telling.took()
    for _ in range(2):
        clock.now += 5.0
        assert _circuit(store) == "closed"
        telling.failed("away")
    assert _circuit(store) == "open"

    wait_until(lambda: telling.probe_is_due, what="the end of the open time")
    telling.took()
    assert _circuit(store) == "closed"


def test_a_mover_whose_kafka_is_away_waits_as_ever_and_is_seen_in_the_list(
    environment: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.relay.kafka.topics._LOOK_SECONDS", 0.2)
    chosen = policies.use(
        environment, {"kafka": {"failure_threshold": 1}}, kafka_bootstrap_servers="127.0.0.1:1"
    )
    with redis.connect(chosen.redis_url) as client:
        put(client, "mails", "t-1")
        with moving(chosen):
            wait_until(lambda: _circuit(store) == "open", what="the open circuit")
        assert client.xlen(keys.outbox()) == 1
    assert store.names() == ["kafka"]
