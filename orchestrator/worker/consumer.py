"""Celery's consumer: what never becomes a task is buried, and a lost connection drops nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import structlog
from celery import signals
from celery.exceptions import NotRegistered
from celery.utils import log
from celery.worker import consumer as stock
from celery.worker import state
from kombu.common import ignore_errors

from orchestrator.deadletter import letter
from orchestrator.deadletter.reasons import Reason
from orchestrator.errors import SchemaError
from orchestrator.transport import holdings, version
from orchestrator.worker import (
    announcing,
    inspection,
    limits,
    mover,
    reporter,
    retrying,
    revocations,
    unmade,
)
from orchestrator.worker.room import Room
from orchestrator.worker.serving import Serving

_LOG = structlog.get_logger(__name__)

_FINISH_WRITES_SECONDS = 5.0


class Consumer(stock.Consumer):  # type: ignore[misc]
    """Receives claimed messages, and buries those that no task can be made of."""

    _serving: Serving | None = None

    def on_ready(self) -> None:
        """The event loop is about to run, for the first time or after a reconnect."""
        channel = self.task_consumer.channel
        room = Room(self.app.conf, self.pool, self.controller, channel)
        channel.room = room
        revocations.register()
        revocations.load(channel)
        inspection.register()
        limits.register()
        mover.start(channel.keeper.client, channel.keys, channel.lists_claimed)
        announcing.begin(self)
        self._serving = Serving(self, channel)
        for keeper in holdings.keepers():
            # In the solo pool the main thread runs the tasks: meanwhile only the keeper can settle.
            keeper.introduce(self.hostname, self._serving if keeper is channel.keeper else None)
            keeper.eager = room.blocks_the_loop
            keeper.excused = lambda: room.blocks_the_loop or _is_shutting_down_softly()
        super().on_ready()

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        """Celery's handler; what it fails on is this message's own fault, unless the connection failed."""
        handle = super().create_task_handler(*args, **kwargs)
        # Since kombu 5.7 a KeyError counts as a connection error: here it is a missing header.
        away = tuple(error for error in self.connection_errors if error is not KeyError)

        def handler(message: Any) -> Any:
            try:
                return handle(message)
            except away:
                raise
            except Exception as error:
                _LOG.exception("message_invalid", queue=message.claim.queue)
                if message.claim.is_ours:
                    self._bury(message, "invalid", error)

        return handler

    def on_unknown_message(self, body: Any, message: Any) -> None:  # noqa: ARG002
        """It is no task message at all."""
        _LOG.error("no_task_message", queue=message.claim.queue)
        self._bury(message, "invalid", ValueError("the message names no task"))
        signals.task_rejected.send(sender=self, message=message, exc=None)

    def on_unknown_task(
        self,
        body: Any,  # noqa: ARG002
        message: Any,
        exc: KeyError,
    ) -> None:
        """It names a task that this worker does not have."""
        headers = message.headers if isinstance(message.headers, dict) else {}
        name, task_id = headers.get("task", str(exc)), headers.get("id")
        _LOG.error("unknown_task", task=name, task_id=task_id, queue=message.claim.queue)
        self._bury(message, "unknown_task", NotRegistered(name))
        signals.task_unknown.send(sender=self, message=message, exc=exc, name=name, id=task_id)

    def on_invalid_task(
        self,
        body: Any,  # noqa: ARG002
        message: Any,
        exc: Exception,
    ) -> None:
        """Its headers or arguments are none."""
        _LOG.error("invalid_task", error=str(exc), queue=message.claim.queue)
        self._bury(message, "invalid", exc)
        signals.task_rejected.send(sender=self, message=message, exc=exc)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Its body cannot be decoded."""
        _LOG.error("undecodable_message", error=str(exc), queue=message.claim.queue)
        self._bury(message, "undecodable", exc)

    def _bury(self, message: Any, reason: Reason, error: Exception) -> None:
        """Tell whoever waits for the result, then bury."""
        claim = message.claim
        fields = letter.write(
            reason,
            claim.queue,
            claim.raw,
            claim.original,
            error=error,
            deliveries=claim.deliveries + 1,
            worker=self.hostname,
        )
        if not fields["task_id"]:
            claim.bury(fields)
            return

        def tell() -> None:
            unmade.tell(self.app, message, fields["task_id"], error)
            if self.event_dispatcher and self.event_dispatcher.enabled:
                self.event_dispatcher.send("task-failed", uuid=fields["task_id"], exception=repr(error))

        reporter.current().report(tell, lambda: claim.bury(fields))

    def call_soon_ack(self, p: Any, *args: Any, **kwargs: Any) -> Any:
        """Settling is a note in the ledger: there is nothing to wait for."""
        p(*args, **kwargs)
        return p

    # -- losing the connection, and stopping

    def on_close(self) -> None:
        """The connection is lost. Claims are not tied to it: nothing that was received is dropped.

        What Celery does here (forgetting reserved tasks, flushing the pool) would leave claims that are
        renewed but never run. It is also why a busy worker of Celery's may need half a minute to stop: so
        long a child waits for its results to be read, and nobody reads where the pool has forgotten the jobs.
        """
        if self._serving is not None:
            self._serving.lose()
        pool = getattr(self.pool, "_pool", None)
        deadline = time.monotonic() + _FINISH_WRITES_SECONDS
        # The loop's reset has dropped half-written jobs: their children would wait for the rest for ever.
        for writer in list(getattr(pool, "_active_writers", ())):
            _finish(writer, deadline)
        self._replace_dead_children()

    def connect(self) -> Any:
        """Connect, if the keys there are ours to work with.

        Children that died meanwhile are replaced before the pool joins the loop again.
        """
        connection = super().connect()
        try:
            version.agree(connection.default_channel)
        except SchemaError as error:
            ignore_errors(connection, connection.close)
            raise SystemExit(f"omninode: {error}") from None
        except Exception:
            ignore_errors(connection, connection.close)
            raise
        self._replace_dead_children()
        return connection

    def stop(self) -> None:
        """Stop claiming; from here on no loop runs, and the lease thread settles what the pool finishes."""
        if self._serving is not None:
            self._serving.end()
        for keeper in holdings.keepers():
            keeper.eager = True
            keeper.excused = lambda: True
        super().stop()

    def shutdown(self) -> None:
        """The pool has stopped: finish reports, and give back what has not begun."""
        super().shutdown()
        reporter.close()
        retrying.close()
        mover.close()
        holdings.close()

    def _replace_dead_children(self) -> None:
        maintain = getattr(getattr(self.pool, "_pool", None), "maintain_pool", None)
        if maintain is None or state.should_terminate is not None:
            return
        try:
            maintain()
        except (RuntimeError, ValueError, OSError):
            # Billiard has no slot free yet: the loop's own timer looks again in a few seconds.
            _LOG.warning("children_not_replaced_yet", exc_info=True)


def _is_shutting_down_softly() -> bool:
    # Celery sleeps through a soft shutdown inside its signal's handler, while the pool finishes its tasks.
    return bool(log._in_sighandler)  # type: ignore[attr-defined]  # noqa: SLF001


def _finish(writer: Any, deadline: float) -> None:
    try:
        for _ in writer:
            if time.monotonic() > deadline:
                return
            time.sleep(0.001)
    except (OSError, EOFError):
        return
