"""A running task's time in the main process: what is told of its limits, and its line in the table."""

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from billiard.exceptions import TimeLimitExceeded
from billiard.pool import ApplyResult
from structlog.testing import capture_logs

from orchestrator import events
from orchestrator.events import GraceRecovered, TimeoutStruck
from orchestrator.timeouts.deadline import Deadline
from orchestrator.timeouts.running import Running, table
from orchestrator.worker import pools
from orchestrator.worker.children import PreforkPool
from orchestrator.worker.pools import SoloPool, ThreadPool
from orchestrator.worker.timing import Timing


@pytest.fixture
def heard() -> Iterator[list[Any]]:
    found: list[Any] = []
    detach = events.attach(found.append)
    yield found
    detach()


@pytest.fixture(autouse=True)
def _nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "on_first", None)
    monkeypatch.setattr(table, "_entries", {})


def _timing(left_seconds: float = 1000.0) -> Timing:
    return Timing("shop.pay", "id", Deadline(time.time() + left_seconds))


def test_while_it_runs_it_is_in_the_table() -> None:
    timing = _timing()
    timing.limit(10, 12)
    timing.begin(7, 500.0, time.time())

    (entry,) = table.entries()
    assert (entry.kind, entry.name, entry.task_id, entry.pid) == ("task", "shop.pay", "id", 7)
    assert (entry.began, entry.warn_at, entry.limit_at, entry.ends_at) == (500, 508, 510, 512)
    assert entry.deadline == timing.deadline.at
    timing.end()
    assert table.entries() == []


def test_where_limits_are_not_enforced_a_warning_is_due_by_its_deadline() -> None:
    timing = _timing(100)
    timing.begin(7, 500.0, time.time())

    (entry,) = table.entries()
    assert entry.warn_at == pytest.approx(580, abs=0.1)
    assert (entry.limit_at, entry.ends_at) == (None, None)


def test_what_has_ended_before_its_beginning_was_heard_of_is_not_entered() -> None:
    timing = _timing()
    timing.end()
    timing.begin(7, 500.0, time.time())

    assert table.entries() == []


def test_a_strike_is_told_once_and_a_finish_after_it_is_a_recovery(heard: list[Any]) -> None:
    timing = _timing()
    timing.limit(10, 12)
    timing.begin(7, 500.0, time.time())
    with capture_logs() as logs:
        timing.strike(soft=True, seconds=10)
        timing.recover()
        timing.recover()

    assert heard[0] == TimeoutStruck("shop.pay", "soft", 10)
    assert isinstance(heard[1], GraceRecovered)
    assert (heard[1].component, heard[1].limit_seconds, len(heard)) == ("shop.pay", 10, 2)
    assert [each["event"] for each in logs] == ["soft_time_limit", "finished_within_grace"]
    assert table.entries()[0].state == "grace"


def test_a_limit_that_the_deadline_has_shortened_strikes_as_the_deadline(heard: list[Any]) -> None:
    timing = _timing(5)
    timing.limit(10, 12)
    with capture_logs() as logs:
        timing.strike(soft=True, seconds=3)
        timing.strike(soft=False, seconds=5)

    assert heard == [TimeoutStruck("shop.pay", "deadline", 3), TimeoutStruck("shop.pay", "deadline", 5)]
    assert all("deadline" in each for each in logs)


def test_what_was_not_told_to_stop_has_not_recovered(heard: list[Any]) -> None:
    _timing().recover()

    assert heard == []


@pytest.mark.parametrize(("error", "error_type"), [(None, ""), (TimeLimitExceeded(5), "TimeLimitExceeded")])
def test_how_an_attempt_ended_is_told_once_with_the_time_that_it_ran(
    heard: list[Any], error: Exception | None, error_type: str
) -> None:
    timing = _timing()
    timing.tell(error)
    timing.begin(7, time.monotonic() - 3, time.time())
    timing.end()
    timing.tell(error)
    timing.tell(ValueError())

    (ended,) = heard
    assert (ended.component, ended.operation) == ("shop.pay", "run")
    assert ended.duration_seconds == pytest.approx(3, abs=1)
    assert (ended.success, ended.error_type) == (error is None, error_type)


def test_a_process_that_begins_with_it_too_late_has_a_moment_to_refuse_it() -> None:
    assert _timing(-5).limit(10, 12).hard == 0.5


@pytest.mark.parametrize("how", ["a result", "an error", "an end that is heard of before the beginning"])
def test_every_job_of_the_prefork_pool_is_limited_and_leaves_the_table(how: str) -> None:
    strikes: list[tuple[Any, Any]] = []
    children: Any = SimpleNamespace(
        on_timeout_set=lambda _job, soft, hard: strikes.append((soft, hard)),
        on_timeout_cancel=lambda _job: None,
    )
    pool = PreforkPool.__new__(PreforkPool)
    pool._pool = children  # noqa: SLF001
    pool._keep_time()  # noqa: SLF001
    seen: list[Running] = []
    request = _Request(seen)
    job = ApplyResult(
        {},
        None,
        request.on_accepted,
        request.on_timeout,
        lambda _error: None,
        soft_timeout=10,
        timeout=12,
        on_timeout_set=children.on_timeout_set,
        on_timeout_cancel=children.on_timeout_cancel,
    )
    steps: list[Callable[[], Any]] = [
        lambda: job._ack(None, time.monotonic(), 7, None),  # noqa: SLF001
        lambda: job._set(None, (how == "a result", None)),  # noqa: SLF001
    ]
    for step in reversed(steps) if how.startswith("an end") else steps:
        step()

    assert table.entries() == []
    assert len(seen) == (not how.startswith("an end"))
    assert strikes[0][1] == pytest.approx(5, abs=0.1)
    assert job._timeout == strikes[0][1]  # noqa: SLF001


class _Request:
    """As much of one as the pool sees."""

    def __init__(self, seen: list[Running]) -> None:
        self.timing = _timing(5)
        self.seen = seen

    def on_accepted(self, pid: int, at: float) -> None:
        self.timing.begin(pid, at, time.time())
        self.seen += table.entries()

    def on_timeout(self, **_: Any) -> None:
        """Nothing strikes here."""


@pytest.mark.parametrize("fails", [False, True])
def test_what_runs_within_the_worker_is_in_the_table_meanwhile(fails: bool) -> None:  # noqa: FBT001
    seen: list[Running] = []
    request = _Request(seen)

    def task() -> None:
        assert len(table.entries()) == 1
        if fails:
            raise ValueError("on purpose")

    pools.run(task, accept_callback=request.on_accepted, callback=lambda _: None, error_callback=seen.append)

    assert len(seen) == 1 + fails
    assert table.entries() == []


@pytest.mark.parametrize(("pool", "name"), [(SoloPool, "solo"), (ThreadPool, "threads")])
def test_a_pool_that_can_interrupt_nothing_says_so_once(pool: Any, name: str) -> None:
    with capture_logs() as logs:
        pool.on_start(pool.__new__(pool))

    (said,) = logs
    assert (said["event"], said["log_level"], said["pool"]) == ("limits_not_enforced", "warning", name)
    assert "not enforced" in said["what"]
    assert "--pool=prefork" in said["todo"]
