"""A broker that freezes: it takes half a minute to be sure that it will not answer."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import redis
from orchestrator.dev.stack import running
from tests.processes import wait_until

CALL = b'{"args": ["local", "embed", "text"]}\n'


def test_a_frozen_broker_ends_an_enqueue_with_what_was_sent_and_where_to_go_on() -> None:
    command = [str(Path(sys.executable).parent / "omninode"), "enqueue", "omninode.models.call"]
    with running() as stack:
        client = redis.connect(stack.redis_url)
        with subprocess.Popen(
            [*command, "--many", "-", "--json"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | stack.environment(),
        ) as many:
            assert many.stdin
            many.stdin.write(CALL)
            many.stdin.flush()
            wait_until(lambda: client.llen("models") == 1, what="the first message")
            os.kill(stack.pids["redis"], signal.SIGSTOP)
            try:
                out, errors = many.communicate(CALL, timeout=90)
            finally:
                os.kill(stack.pids["redis"], signal.SIGCONT)

    report = json.loads(out)
    assert many.returncode == 1
    assert errors.decode().startswith("stopped at line 2: the broker does not answer: Timeout")
    assert (len(report["ids"]), report["stopped"]["line"]) == (1, 2)


@pytest.fixture(autouse=True)
def _no_other_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
