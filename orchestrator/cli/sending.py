"""Sends a task's messages: one, or all of a stream once every line of it is known to be good."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery import Celery
from kombu.exceptions import EncodeError, OperationalError
from redis.exceptions import RedisError

from orchestrator import broker, redaction, settings
from orchestrator.cli import calls
from orchestrator.cli.calls import Call, Refused
from orchestrator.enqueue import enqueue_many
from orchestrator.errors import EnqueueInterrupted, InvalidArguments, TransientError
from orchestrator.lines import Stream, read_batches
from orchestrator.task import check_arguments

_BATCH_LINES = 1000
_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2}


class BrokerAway(TransientError):
    """The broker does not answer."""


@dataclass(frozen=True)
class Sender:
    """Sends one task's messages, each after a look at its arguments; a foreign task's cannot be looked at."""

    app: Celery
    task: str
    options: dict[str, Any]
    foreign: bool

    def check(self, call: Call) -> None:
        """Hold a call against the task's signature, where it is known; Refused when it does not fit."""
        try:
            if not self.foreign:
                check_arguments(self.app.tasks[self.task], call.args, call.kwargs)
        except InvalidArguments as error:
            raise Refused(str(error)) from None

    def send_many(self, many: list[Call], batch_id: str, on_progress: Callable[[int], None]) -> list[str]:
        """Enqueue calls that were checked, and return their ids.

        Raises:
            EnqueueInterrupted: Redis is away or full.
            InvalidArguments: the batch had other calls before, or a call is too large.
        """
        task = self.app.tasks.get(self.task) or self.app.task(name=self.task, typing=False, lazy=False)(
            _nothing
        )
        rows = ((call.args, call.kwargs) for call in many)
        try:
            broker.reach(settings.current(), self.app.conf.broker_url)
            return enqueue_many(task, rows, batch_id=batch_id, on_progress=on_progress, **self.options)
        except (OperationalError, RedisError) as error:
            # Before the first push: the queue could not even be declared.
            raise EnqueueInterrupted(f"the broker takes nothing: {error}") from None

    def send(self, call: Call, message_id: str) -> None:
        """Enqueue one call.

        Raises:
            Refused: the arguments do not fit the task, or no message can hold them.
            BrokerAway: whether the message was enqueued is not known.
        """
        self.check(call)
        try:
            broker.reach(settings.current(), self.app.conf.broker_url)
            self.app.send_task(
                self.task,
                args=call.args,
                kwargs=call.kwargs,
                task_id=message_id,
                retry_policy=_RETRY_POLICY,
                **self.options,
            )
        except (EncodeError, RecursionError) as error:
            raise Refused(str(error)) from None
        except (OperationalError, RedisError) as error:
            raise BrokerAway(redaction.text(f"the broker does not answer: {error}")) from None


def read_calls(sender: Sender, stream: Stream) -> tuple[list[Call], list[str]]:
    """The calls on a stream's lines, and what is wrong with the lines that are none: each with its number."""
    read: list[Call] = []
    refused: list[str] = []
    for batch in read_batches(stream, calls.MAX_LINE_BYTES, _BATCH_LINES):
        for line in batch:
            if line.text is not None and not line.text.strip():
                continue
            try:
                call = calls.from_line(line)
                sender.check(call)
                read.append(call)
            except Refused as error:
                refused.append(f"line {line.number}: {error}")
    return read, refused


def _nothing() -> None:
    """Stands for another program's task: only its name is known here."""
