"""Sends hooks to their queue over one connection, no faster than they are worked off."""

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

from celery import Celery
from kombu.exceptions import ChannelError, OperationalError

from tasks.hooks.delivery import Delivery
from tasks.hooks.ingest.patience import IngestStopped, Patience
from tasks.hooks.process import process_hook

_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2}
_NOT_FOUND = "404"
_Result = TypeVar("_Result")


class Sender:
    """A held connection to the broker. A broker that is away is waited for, as long as the patience lasts."""

    def __init__(self, app: Celery, max_queued: int, patience: Patience, note: Callable[[str], None]) -> None:
        self._app = app
        self.max_queued = max_queued
        self._patience = patience
        self._note = note
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            IngestStopped: the broker does not answer.
        """
        connection: Any = self._open.enter_context(self._app.connection_for_write())
        self._errors: tuple[type[Exception], ...] = (
            OperationalError,
            *connection.connection_errors,
            *connection.channel_errors,
        )
        try:
            connection.ensure_connection(max_retries=1, interval_start=0)
        except self._errors as error:
            self._open.close()
            raise IngestStopped(f"the broker at {connection.as_uri()} cannot be reached: {error}") from None
        self._producer: Any = self._open.enter_context(self._app.amqp.Producer(connection))
        self._queue: Any = self._app.amqp.router.route({}, process_hook.name)["queue"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def send(self, delivery: Delivery) -> None:
        """Send the hook. A message that may or may not have arrived is sent again: it counts once."""
        options = {
            "task_id": str(uuid4()),
            # What tools show of the arguments: not the payload.
            "argsrepr": repr(({"event": delivery.event, "delivery_id": delivery.id},)),
            "queue": self._queue,
            "producer": self._producer,
            "retry_policy": _RETRY_POLICY,
        }
        self._persist(lambda: process_hook.apply_async((delivery.as_ingested(),), **options))

    def wait_for_room(self, messages: int) -> None:
        """Wait until the queue has room for that many messages more.

        Raises:
            IngestStopped: nobody took anything out of it for too long.
        """
        wait = self._patience.begin()
        while (queued := self._persist(self._count_queued)) and queued + messages > self.max_queued:
            wait.pause(
                queued, f"{queued:,} messages stay in the queue {self._queue.name}; is a worker running?"
            )

    def _count_queued(self) -> int:
        channel = self._producer.connection.default_channel
        try:
            return int(channel.queue_declare(self._queue.name, passive=True).message_count)
        except ChannelError as error:
            # In Redis a queue with nothing in it does not exist.
            if str(error.reply_code) == _NOT_FOUND:
                return 0
            raise

    def _persist(self, act: Callable[[], _Result]) -> _Result:
        return self._patience.persist(act, self._errors, "the broker", self._note)
