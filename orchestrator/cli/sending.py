"""Sends a task's messages, and keeps count: a run may end at any moment, and must say how far it got."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from celery import Celery
from kombu.exceptions import EncodeError, OperationalError

from orchestrator import redaction
from orchestrator.cli import calls
from orchestrator.cli.calls import Call, Refused
from orchestrator.errors import InvalidArguments, TransientError
from orchestrator.lines import Line, Stream, read_batches
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

    def send(self, call: Call, message_id: str) -> None:
        """Enqueue one call.

        Raises:
            Refused: the arguments do not fit the task, or no message can hold them.
            BrokerAway: whether the message was enqueued is not known.
        """
        try:
            if not self.foreign:
                check_arguments(self.app.tasks[self.task], call.args, call.kwargs)
            self.app.send_task(
                self.task,
                args=call.args,
                kwargs=call.kwargs,
                task_id=message_id,
                retry_policy=_RETRY_POLICY,
                **self.options,
            )
        except (InvalidArguments, EncodeError, RecursionError) as error:
            raise Refused(str(error)) from None
        except OperationalError as error:
            raise BrokerAway(redaction.text(f"the broker does not answer: {error}")) from None


@dataclass
class Many:
    """One run over a file's lines, which may end by an exception: then `next_line` is the one to go on with.

    `in_doubt` is the id of a message of that line which may or may not have been enqueued.
    """

    sender: Sender
    tell: Callable[[str], None]
    tick: Callable[[], None]
    ids: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    next_line: int = 1
    in_doubt: str | None = None

    def send_all(self, stream: Stream) -> None:
        """Send a message for each line; those that are no call are told and passed over.

        Raises:
            BrokerAway: nothing more can be sent.
        """
        for batch in read_batches(stream, calls.MAX_LINE_BYTES, _BATCH_LINES):
            for line in batch:
                if line.text is None or line.text.strip():
                    self._send(line)
                self.next_line = line.number + 1
                self.tick()

    def _send(self, line: Line) -> None:
        try:
            call = calls.from_line(line)
            self.in_doubt = str(uuid4())
            self.sender.send(call, self.in_doubt)
            self.ids.append(self.in_doubt)
        except Refused as error:
            self.refused.append(f"line {line.number}: {error}")
            self.tell(self.refused[-1])
        self.in_doubt = None
