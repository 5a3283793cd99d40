"""Running checks side by side, with a time limit each."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from threading import Barrier, Event

import pytest
from celery import Celery, current_app

from monitoring.health import Check, Degraded, Unhealthy
from monitoring.health.run import run
from monitoring.health.verdict import CheckResult


@pytest.fixture
def for_ever() -> Iterator[Event]:
    """An event that comes when the test is over."""
    event = Event()
    yield event
    event.set()


def _only(check: Check, timeout_seconds: float | None = None) -> CheckResult:
    (result,) = run([check], timeout_seconds)
    return result


def _raises(error: BaseException) -> Callable[[], str]:
    def probe() -> str:
        raise error

    return probe


def test_none_is_healthy() -> None:
    result = _only(Check("stock", lambda: None))

    assert (result.name, result.status, result.sentence) == ("stock", "healthy", "works")


def test_a_sentence_is_healthy() -> None:
    result = _only(Check("stock", lambda: "12 left"))

    assert (result.status, result.sentence) == ("healthy", "12 left")


def test_degraded_is_degraded() -> None:
    result = _only(Check("stock", lambda: Degraded("2 left: order some")))

    assert (result.status, result.sentence) == ("degraded", "2 left: order some")


def test_our_own_errors_speak_for_themselves() -> None:
    result = _only(Check("stock", _raises(Unhealthy("none left"))))

    assert (result.status, result.sentence) == ("unhealthy", "none left")


def test_an_exception_is_unhealthy_and_is_named() -> None:
    result = _only(Check("stock", _raises(KeyError("shelf"))))

    assert (result.status, result.sentence) == ("unhealthy", "KeyError: 'shelf'")


def test_a_check_that_exits_is_unhealthy() -> None:
    result = _only(Check("stock", _raises(SystemExit(3))))

    assert (result.status, result.sentence) == ("unhealthy", "SystemExit: 3")


def test_any_other_answer_is_unhealthy_because_false_must_not_pass_for_healthy() -> None:
    result = _only(Check("stock", lambda: False))  # type: ignore[arg-type,return-value]

    assert result.status == "unhealthy"
    assert result.sentence.startswith("returned False;")


def test_secrets_are_masked_and_lines_joined() -> None:
    result = _only(Check("stock", _raises(Unhealthy("cannot reach\n redis://:hunter2@shelf:6379"))))

    assert result.sentence == "cannot reach redis://:****@shelf:6379"


def test_a_long_sentence_is_cut() -> None:
    result = _only(Check("stock", lambda: "x" * 10_000))

    assert result.sentence == "x" * 299 + "…"


def test_a_hanging_check_is_given_up_and_the_others_are_reported(for_ever: Event) -> None:
    def hang() -> None:
        for_ever.wait()

    started_at = time.monotonic()
    results = run([Check("hangs", hang, timeout_seconds=0.2, critical=True), Check("works", lambda: None)])

    assert [(result.name, result.status, result.sentence) for result in results] == [
        ("hangs", "unhealthy", "did not answer within 0.2 s"),
        ("works", "healthy", "works"),
    ]
    assert time.monotonic() - started_at < 2.0


def test_a_check_that_still_hangs_is_not_started_a_second_time(for_ever: Event) -> None:
    starts = []

    def hang() -> None:
        starts.append(1)
        for_ever.wait()

    check = Check("hangs again", hang, timeout_seconds=0.1)
    statuses = [_only(check).status for _ in range(3)]

    assert (statuses, len(starts)) == (["unhealthy"] * 3, 1)


def test_the_given_limit_is_used_instead_of_a_checks_own(for_ever: Event) -> None:
    def hang() -> None:
        for_ever.wait()

    result = _only(Check("hangs for long", hang, timeout_seconds=60), timeout_seconds=0.1)

    assert result.sentence == "did not answer within 0.1 s"


def test_checks_run_at_the_same_time() -> None:
    all_there = Barrier(3, timeout=4)

    def meet() -> None:
        all_there.wait()

    results = run([Check(f"meets-{number}", meet) for number in range(3)])

    assert [result.status for result in results] == ["healthy"] * 3


def test_latencies_and_times_come_from_the_given_clocks() -> None:
    readings = iter([10.0, 10.25])
    known = [10.0]

    def timer() -> float:
        known[0] = next(readings, known[0])
        return known[0]

    (result,) = run([Check("stock", lambda: None)], clock=lambda: 1_700_000_000.0, timer=timer)

    assert (result.checked_at, result.latency_seconds) == (1_700_000_000.0, 0.25)


def test_a_check_finds_the_celery_app_of_its_caller() -> None:
    app = Celery("shop", set_as_current=False)
    app.set_current()
    found = []

    _only(Check("stock", lambda: found.append(current_app.main)))

    assert found == ["shop"]


def test_a_hanging_check_does_not_keep_the_process_alive() -> None:
    program = (
        "from threading import Event\n"
        "from monitoring.health import Check\n"
        "from monitoring.health.run import run\n"
        "print(run([Check('hangs', Event().wait, timeout_seconds=0.1)])[0].sentence)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30, check=False)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"did not answer within 0.1 s\n", b"")
