"""A Redis of the broker that says nothing for a while: it is soon known, and told in its true length."""

import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from monitoring.alerts.looking import Looker
from orchestrator.alerts import record
from orchestrator.alerts.store import Store
from orchestrator.settings import Settings
from tests.own_redis import OwnRedis, own_redis
from tests.processes import let_pass, wait_until


@pytest.fixture
def server() -> Iterator[OwnRedis]:
    with own_redis() as one:
        yield one


def test_a_redis_that_is_frozen_is_soon_missed_and_is_told_from_the_first_look_without_an_answer(
    server: OwnRedis, environment: Settings
) -> None:
    url = f"redis://127.0.0.1:{server.port}/0"
    looker = Looker(environment.model_copy(update={"redis_url": url, "celery_broker_url": url}), 0.5)
    looker.look()
    server.process.send_signal(signal.SIGSTOP)
    frozen_at = datetime.now(UTC)
    looker.start()
    try:
        wait_until(lambda: "does not answer" in looker.error, 5.0, "that it is missed")
        let_pass(3.0)
        server.process.send_signal(signal.SIGCONT)
        wait_until(lambda: "redis_away" in Store(server.client).read().raised, 10.0, "the alert")
    finally:
        server.process.send_signal(signal.SIGCONT)
        looker.stop()

    alert = Store(server.client).read().raised["redis_away"]
    assert abs(record.seconds_since(alert.since, frozen_at)) < 2.0
    # A look hangs for 1.5 s before it is given up, and 3 s have passed since.
    told = re.fullmatch(r"the broker's Redis did not answer for ([\d.]+)s: nothing .*", alert.sentence)
    assert told
    assert float(told[1]) > 4.0
