"""What tests of delivery share: a Redis, alerts that are raised and cleared in it, and a receiver."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from monitoring.alerts.delivering import courier
from orchestrator import redis
from orchestrator.alerts import changing
from orchestrator.alerts.record import Alert, Severity
from orchestrator.alerts.store import Store
from tests.integration.delivering.receiver import Receiver, receiving


@dataclass(frozen=True)
class Alerts:
    """The fleet's: each call is a look that finds this of one alert, or what a person does."""

    store: Store

    def raise_(self, name: str, severity: Severity = "warning", component: str | None = None) -> None:
        standing = self.store.read()
        alert = Alert(name, severity, f"{name} is wrong", component=component)
        assert self.store.apply(standing, [changing.found(standing, alert)])

    def clear(self, name: str) -> None:
        standing = self.store.read()
        assert self.store.apply(standing, [changing.gone(standing, name)])

    def silence(self, pattern: str) -> None:
        self.store.silence(pattern, datetime.now(UTC) + timedelta(hours=1), "ada", "it is known")


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was away is asked again at once."""
    monkeypatch.setattr(courier, "_BASE_SECONDS", 0.01)


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    with redis.connect(redis_url) as connected:
        yield connected


@pytest.fixture
def alerts(client: Redis) -> Alerts:
    return Alerts(Store(client))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one
