"""Forks and threads keep apart: no child inherits a lock that a thread at work holds."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.forks import Gate


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def test_a_fork_waits_until_no_thread_is_at_work(threads: ThreadPoolExecutor) -> None:
    gate, at_work, may_end = Gate(patience_seconds=10), threading.Event(), threading.Event()
    told: list[str] = []

    def work() -> None:
        with gate.threads_at_work():
            at_work.set()
            may_end.wait(10)
            told.append("work")

    def fork() -> None:
        gate.before_fork()
        told.append("fork")
        gate.after_fork_in_parent()

    working = threads.submit(work)
    at_work.wait(10)
    forking = threads.submit(fork)
    may_end.set()
    working.result(10)
    forking.result(10)

    assert told == ["work", "fork"]


def test_a_thread_begins_after_the_fork(threads: ThreadPoolExecutor) -> None:
    gate = Gate(patience_seconds=10)
    told: list[str] = []

    def work() -> None:
        with gate.threads_at_work():
            told.append("work")

    gate.before_fork()
    working = threads.submit(work)
    told.append("fork")
    gate.after_fork_in_parent()
    working.result(10)

    assert told == ["fork", "work"]


def test_a_fork_does_not_wait_for_ever(threads: ThreadPoolExecutor) -> None:
    gate, at_work, may_end = Gate(patience_seconds=0.05), threading.Event(), threading.Event()

    def work() -> None:
        with gate.threads_at_work():
            at_work.set()
            may_end.wait(10)

    working = threads.submit(work)
    at_work.wait(10)
    gate.before_fork()
    gate.after_fork_in_parent()

    assert not working.done()
    may_end.set()
    working.result(10)


def test_a_thread_at_work_may_fork_itself() -> None:
    gate = Gate(patience_seconds=10)
    with gate.threads_at_work():
        gate.before_fork()
        gate.after_fork_in_parent()


def test_in_the_child_no_other_thread_is_at_work(threads: ThreadPoolExecutor) -> None:
    gate, at_work, may_end = Gate(patience_seconds=0.05), threading.Event(), threading.Event()

    def work() -> None:
        with gate.threads_at_work():
            at_work.set()
            may_end.wait(10)

    threads.submit(work)
    at_work.wait(10)
    gate.before_fork()
    gate.after_fork_in_child()

    assert gate.others_at_work == 0
    may_end.set()
