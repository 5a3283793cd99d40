"""Several things are asked for at the same time; one that fails or hangs is unknown, and hides no other."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from monitoring.fleet import asking
from monitoring.fleet.asking import ask
from orchestrator.errors import OmniNodeError


@pytest.fixture
def held() -> Iterator[threading.Event]:
    """Lets go in the end what waits for it."""
    event = threading.Event()
    yield event
    event.set()


def test_all_are_asked_at_the_same_time() -> None:
    barrier = threading.Barrier(3)

    answers, unknown = ask({name: lambda: barrier.wait(5) >= 0 for name in "abc"}, 5.0)

    assert (answers, unknown) == ({"a": True, "b": True, "c": True}, {})


def test_what_fails_says_why_without_secrets_and_the_rest_is_known() -> None:
    def fails() -> None:
        raise OmniNodeError("redis://user:hunter2@host refuses\nit")

    def breaks() -> None:
        raise SystemExit

    answers, unknown = ask({"known": lambda: 1, "fails": fails, "breaks": breaks}, 5.0)

    assert answers == {"known": 1}
    assert unknown["fails"].endswith("refuses it")
    assert "hunter2" not in unknown["fails"]
    assert unknown["breaks"] == "SystemExit: SystemExit"


def test_what_hangs_is_given_up_and_its_threads_do_not_pile_up(held: threading.Event) -> None:
    asked = [ask({"hangs": held.wait, "known": lambda: 1}, 0.01 if number else 0.3) for number in range(12)]

    assert [answers.get("known") for answers, _ in asked[:1]] == [1]
    assert asked[0][1] == {"hangs": "did not answer within 0.3 s"}
    assert asked[-1][1]["hangs"] == "has not answered since it was last asked"
    hanging = [each for each in threading.enumerate() if each.name == "fleet-hangs"]
    assert len(hanging) == 8
    held.set()
    for each in hanging:
        each.join(5)


def test_where_there_can_be_no_more_threads_that_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)

    assert ask({"any": lambda: 1}, 5.0) == ({}, {"any": "RuntimeError: can't start new thread"})


def test_a_child_that_is_forked_while_others_ask_can_ask() -> None:
    with asking._lock:  # noqa: SLF001 (as another thread does)
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            os._exit(ask({"any": lambda: 7}, 5.0) != ({"any": 7}, {}))

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
