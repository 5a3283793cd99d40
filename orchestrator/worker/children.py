"""The pool of processes that run tasks: they are replaced when they die, and stopped at their limits."""

from __future__ import annotations

from typing import Any

import structlog
from billiard import pool
from celery.concurrency import asynpool, prefork

from orchestrator.worker import timing

_LOG = structlog.get_logger(__name__)

_REGISTRATIONS = 10


class TimeoutHandler(pool.TimeoutHandler):  # type: ignore[misc]
    """Billiard's, which a worker that stops asks about every job anew."""

    def on_soft_timeout(self, job: Any) -> None:
        """Tell a task to stop; twice would take it out of what it does with the grace period."""
        of_task = timing.of_callback(job._timeout_callback)  # noqa: SLF001 (billiard's)
        if of_task is None or not of_task.is_told:
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
            if of_task := timing.of_callback(job._timeout_callback):  # noqa: SLF001 (billiard's)
                limits = of_task.limit(soft, hard)
                # What strikes is told of by these.
                soft, hard = job._soft_timeout, job._timeout = limits.soft, limits.hard  # noqa: SLF001
            strike(job, soft, hard)

        def on_timeout_cancel(job: Any) -> None:
            forget(job)
            if of_task := timing.of_callback(job._timeout_callback):  # noqa: SLF001
                of_task.end()

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
