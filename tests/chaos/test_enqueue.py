"""A broker that freezes: it takes half a minute to be sure that it will not answer."""

import json
import os
import signal

import pytest

from orchestrator import redis
from orchestrator.dev.stack import running
from tests.commands import omninode

CALL = '{"args": ["local", "embed", "text"]}\n'


def test_a_frozen_broker_ends_an_enqueue_with_what_was_sent_and_how_to_go_on() -> None:
    command = ["enqueue", "omninode.models.call", "--many", "-", "--batch-id", "b", "--json"]
    with running() as stack:
        environment, calls = stack.environment(), CALL * 3
        os.kill(stack.pids["redis"], signal.SIGSTOP)
        try:
            stopped = omninode(*command, stdin=calls, environment=environment, within_seconds=120)
        finally:
            os.kill(stack.pids["redis"], signal.SIGCONT)
        done = omninode(*command, stdin=calls, environment=environment)
        waiting = redis.connect(stack.redis_url).llen("models")

    assert stopped.code == 1, stopped.stderr
    assert json.loads(stopped.stdout)["stopped"]["accepted"] == 0
    assert stopped.stderr.endswith("--batch-id b\n")
    assert (done.code, waiting) == (0, 3)


@pytest.fixture(autouse=True)
def _no_other_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
