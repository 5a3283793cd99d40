"""Redis is killed, restarted or frozen, or the process forks, in the middle of recording: all counts once."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from monitoring.rollup import encoding, process
from orchestrator import keys, settings
from orchestrator.settings import Settings
from tests.own_redis import OwnRedis, own_redis
from tests.processes import wait_until


@pytest.fixture(scope="module")
def server(environment: Settings) -> Iterator[OwnRedis]:
    """A Redis of these tests' own, which this process records to."""
    with own_redis() as made:
        url = f"redis://127.0.0.1:{made.port}/0"
        settings.use(environment.model_copy(update={"celery_broker_url": url}))
        process.forget()
        yield made
        process.forget()
        settings.use(environment)


def _record(component: str, times: int = 1) -> None:
    for _ in range(times):
        process.recorder.record(component, "order", 1.0, True)


def _calls(server: OwnRedis, component: str) -> int:
    totals: Any = server.client.hgetall(keys.metrics("totals"))
    return encoding.read(totals).of(component).count


def test_redis_is_restarted_again_and_again_in_the_middle_of_recording(server: OwnRedis) -> None:
    for _ in range(2):
        _record("restarted", 10)
        process.writer.flush()
        _record("restarted", 10)
        server.kill()
        _record("restarted", 10)
        assert not process.writer.flush()
        _record("restarted", 10)
        server.start_again()
        _record("restarted", 10)

    wait_until(lambda: not process.writer.unwritten().calls, what="the write")
    assert _calls(server, "restarted") == 100


def test_what_redis_has_added_without_answering_counts_once(server: OwnRedis) -> None:
    _record("frozen", 10)
    server.process.send_signal(signal.SIGSTOP)
    try:
        # Sent, and carried out later: nobody hears the answer.
        assert not process.writer.flush()
        _record("frozen", 10)
    finally:
        server.process.send_signal(signal.SIGCONT)

    wait_until(lambda: not process.writer.unwritten().calls, what="the write")
    assert _calls(server, "frozen") == 20


def test_a_child_that_is_forked_in_the_middle_of_a_write_writes_its_own(server: OwnRedis) -> None:
    _record("parent", 10)
    process.writer.flush()
    server.process.send_signal(signal.SIGSTOP)
    try:
        _record("parent", 10)
        # Its thread waits for an answer, and holds what a child must not wait for.
        wait_until(lambda: not process.recorder.untaken().calls, what="a write")
        child = os.fork()
        if child == 0:
            _in_child()
    finally:
        server.process.send_signal(signal.SIGCONT)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    wait_until(lambda: not process.writer.unwritten().calls, what="the write")
    assert (_calls(server, "parent"), _calls(server, "child")) == (20, 3)


def _in_child() -> None:
    try:
        _record("child", 3)
        wait_until(process.writer.flush, what="the child's write")
        process.flush()
        os._exit(0)
    finally:
        os._exit(1)
