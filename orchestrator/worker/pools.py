"""What `--pool` means, and the pools that run tasks inside the worker's own process.

Whatever a task raises there becomes an outcome; nothing can interrupt it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from billiard.einfo import ExceptionInfo
from celery import concurrency
from celery.concurrency import solo, thread
from celery.exceptions import WorkerShutdown, WorkerTerminate

from orchestrator.errors import OmniNodeError
from orchestrator.worker import timing

_LOG = structlog.get_logger(__name__)

_OURS = {
    "prefork": "orchestrator.worker.children:PreforkPool",
    "processes": "orchestrator.worker.children:PreforkPool",
    "solo": "orchestrator.worker.pools:SoloPool",
    "threads": "orchestrator.worker.pools:ThreadPool",
    "gevent": "orchestrator.worker.pools:NoGreenPool",
    "eventlet": "orchestrator.worker.pools:NoGreenPool",
}


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
        if (of_task := timing.of_callback(accept_callback)) is not None:
            of_task.end()


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
