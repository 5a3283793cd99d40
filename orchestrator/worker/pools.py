"""The pools that run tasks inside the worker's own process: whatever it raises becomes an outcome."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from billiard import pool
from billiard.einfo import ExceptionInfo
from celery import concurrency
from celery.concurrency import asynpool, prefork, solo, thread
from celery.exceptions import WorkerShutdown, WorkerTerminate

from orchestrator.errors import OmniNodeError
from orchestrator.worker.timing import Timing

_LOG = structlog.get_logger(__name__)

_OURS = {
    "prefork": "orchestrator.worker.pools:PreforkPool",
    "processes": "orchestrator.worker.pools:PreforkPool",
    "solo": "orchestrator.worker.pools:SoloPool",
    "threads": "orchestrator.worker.pools:ThreadPool",
    "gevent": "orchestrator.worker.pools:NoGreenPool",
    "eventlet": "orchestrator.worker.pools:NoGreenPool",
}


_REGISTRATIONS = 10


def register() -> None:
    """Make `--pool` mean these."""
    concurrency.ALIASES.update(_OURS)


def check(named: Any) -> None:
    """Refuse a pool that a worker was told to use.

    Raises:
        OmniNodeError: it is gevent's or eventlet's.
    """
    if concurrency.get_implementation(named) is NoGreenPool:
        raise OmniNodeError(
            "OmniNode does not run on gevent or eventlet: use --pool=threads for tasks that wait for I/O"
        )


def run(  # noqa: PLR0917 (billiard's)
    target: Callable[..., Any],
    args: Sequence[Any] = (),
    kwargs: dict[str, Any] | None = None,
    callback: Callable[..., Any] = print,
    accept_callback: Callable[..., Any] | None = None,
    error_callback: Callable[..., Any] | None = None,
    **_: Any,
) -> None:
    """Run a task here and now, and hand its outcome over, also one that is no Exception."""
    if accept_callback:
        accept_callback(os.getpid(), time.monotonic())
    try:
        outcome = target(*args, **(kwargs or {}))
    except (WorkerShutdown, WorkerTerminate):
        raise
    except BaseException:
        if error_callback is None:
            raise
        error_callback(ExceptionInfo())
    else:
        callback(outcome)
    finally:
        if timing := _timing_of(accept_callback):
            timing.end()


def _timing_of(callback: Any) -> Timing | None:
    """That of the request which this is a method of."""
    return getattr(getattr(callback, "__self__", None), "timing", None)


class TimeoutHandler(pool.TimeoutHandler):  # type: ignore[misc]
    """Billiard's, which a worker that stops asks about every job anew."""

    def on_soft_timeout(self, job: Any) -> None:
        """Tell a task to stop; twice would take it out of what it does with the grace period."""
        timing = _timing_of(job._timeout_callback)  # noqa: SLF001 (billiard's)
        if timing is None or not timing.is_told:
            super().on_soft_timeout(job)


class Children(asynpool.AsynPool):  # type: ignore[misc]
    """Billiard's pool of processes, which is maintained from many places: by timers, by the autoscaler."""

    TimeoutHandler = TimeoutHandler

    def maintain_pool(self) -> None:
        """Replace the dead; while the pipes of one are still being read there is none for its successor."""
        try:
            super().maintain_pool()
        except StopIteration:
            # Raised out of a generator or a message's handler it would end the worker, or the message.
            _LOG.info("children_not_replaced_yet")


class PreforkPool(prefork.TaskPool):  # type: ignore[misc]
    """Tasks in child processes."""

    Pool = Children

    def on_start(self) -> None:
        """Begin with children that know the limits which the worker's command line may have changed."""
        conf, options = self.app.conf, self.options
        conf.task_soft_time_limit, conf.task_time_limit = options.get("soft_timeout"), options.get("timeout")
        super().on_start()

    def register_with_event_loop(self, loop: Any) -> None:
        """Join the event loop; a child that has just died is replaced first."""
        for _ in range(_REGISTRATIONS):
            self._forget_gone_children()
            try:
                super().register_with_event_loop(loop)
            except ValueError:
                # "file descriptor is None": a child died between the last look and this one.
                self._pool.maintain_pool()
            else:
                break
        self._keep_time()

    def _keep_time(self) -> None:
        """Each job that a process begins with, and each that ends in any way, passes through these two."""
        strike, forget = self._pool.on_timeout_set, self._pool.on_timeout_cancel

        def on_timeout_set(job: Any, soft: float | None, hard: float | None) -> None:
            if timing := _timing_of(job._timeout_callback):  # noqa: SLF001 (billiard's)
                limits = timing.limit(soft, hard)
                # What strikes is told of by these.
                soft, hard = job._soft_timeout, job._timeout = limits.soft, limits.hard  # noqa: SLF001
            strike(job, soft, hard)

        def on_timeout_cancel(job: Any) -> None:
            forget(job)
            if timing := _timing_of(job._timeout_callback):  # noqa: SLF001
                timing.end()

        self._pool.on_timeout_set = on_timeout_set
        self._pool.on_timeout_cancel = on_timeout_cancel

    def _forget_gone_children(self) -> None:
        """Forget the pipes of children that died with a job in their pipe: Celery keeps their numbers.

        It would read again from what has the number now, and could not write to it any more if that is the
        pipe to a new child.
        """
        results = getattr(self._pool, "_fileno_to_outq", {})
        for number, child in list(results.items()):
            if child not in self._pool._pool:  # noqa: SLF001
                del results[number]


class SoloPool(solo.TaskPool):  # type: ignore[misc]
    """One task at a time, in the main thread."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_apply = run

    def on_start(self) -> None:
        """Say what this pool cannot do."""
        _warn_of_limits("solo")


class ThreadPool(thread.TaskPool):  # type: ignore[misc]
    """Tasks in threads of the main process."""

    def on_start(self) -> None:
        """Say what this pool cannot do."""
        super().on_start()
        _warn_of_limits("threads")

    def on_apply(self, target: Any, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any) -> Any:
        """Queue a task for the next free thread."""
        future = self.executor.submit(_run_logged, target, args or (), kwargs, *rest, **options)
        return thread.ApplyResult(future)


class NoGreenPool:
    """Gevent and eventlet are refused: leases are renewed by a thread that must not wait for greenlets."""


def _warn_of_limits(name: str) -> None:
    _LOG.warning(
        "limits_not_enforced",
        pool=name,
        what="this pool can interrupt no task: soft and hard limits, and deadlines of tasks that have begun, "
        "are not enforced; a task whose deadline is over is not begun, and deadline_left() says what is left",
        todo="use --pool=prefork, or a TimeoutManager within the task",
    )


def _run_logged(*args: Any, **kwargs: Any) -> None:
    try:
        run(*args, **kwargs)
    except Exception:
        _LOG.exception("task_thread_failed")
        raise
