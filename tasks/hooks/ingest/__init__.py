"""Ingests hooks from lines of JSON: checked here, sent to the worker, and waited for."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from orchestrator.errors import InvalidHook
from orchestrator.lines import Line, Stream, read_batches
from tasks.hooks.delivery import Delivery, parse
from tasks.hooks.ingest.occurrences import Occurrences
from tasks.hooks.ingest.patience import Patience
from tasks.hooks.ingest.progress import Display
from tasks.hooks.ingest.report import Report
from tasks.hooks.ingest.sending import Sender
from tasks.hooks.ingest.settling import Settling

# Few enough that the queue's limit is kept closely: it is asked once a batch.
_BATCH_LINES = 50
# What stands around a payload on its line: the names, and the three short texts.
_ENVELOPE_BYTES = 4096
_LOOK_EVERY_SECONDS = 0.5
# Sending goes on for ten times as long as a look took.
_LOOK_SHARE = 10.0


@dataclass
class Ingest:
    """One run, which may end by an exception at any moment: `conclude` says how far it got."""

    sender: Sender
    settling: Settling
    occurrences: Occurrences
    display: Display
    max_payload_bytes: int
    clock: Callable[[], float] = time.monotonic
    report: Report = field(default_factory=Report)

    def __post_init__(self) -> None:
        self._began = self._look_at = self.clock()

    def send_all(self, stream: Stream, total_bytes: int | None) -> None:
        """Send every hook of the stream; lines that are none are reported and passed over.

        Raises:
            IngestStopped: the broker, the worker or PostgreSQL did not move for too long.
        """
        done = 0
        max_lines = min(_BATCH_LINES, self.sender.max_queued)
        for batch in read_batches(stream, self.max_payload_bytes + _ENVELOPE_BYTES, max_lines):
            checked = [(line, self._check(line)) for line in batch if line.text is None or line.text.strip()]
            self._send([(line, delivery) for line, delivery in checked if delivery])
            self.report.last_line = batch[-1].number
            done += sum(line.size for line in batch)
            self.display.show("sending", self.report.sent, done, total_bytes)

    def wait(self, patience: Patience) -> None:
        """Wait until everything that was sent is settled.

        Raises:
            IngestStopped: nothing was settled for too long.
        """
        wait = patience.begin()
        self._look()
        while left := len(self.settling):
            settled = self.report.sent - left
            self.display.show("settling", settled, settled, self.report.sent)
            wait.pause(left, f"{left:,} hooks are sent and not settled; is a worker running?")
            self._look()

    def conclude(self) -> Report:
        """The report as of now."""
        self.report.seconds = self.clock() - self._began
        for status, hooks in self.settling.outcomes.items():
            setattr(self.report, status, hooks)
        self.report.unsettled = len(self.settling)
        return self.report

    def _check(self, line: Line) -> Delivery | None:
        self.report.read += 1
        try:
            return parse(
                _decode(line, self.max_payload_bytes), self.max_payload_bytes, self.occurrences.identify
            )
        except InvalidHook as error:
            self.report.refused += 1
            self.display.note(f"line {line.number} is refused: {error}")
            return None

    def _send(self, deliveries: Sequence[tuple[Line, Delivery]]) -> None:
        if not deliveries:
            return
        self.sender.wait_for_room(len(deliveries))
        known = self.settling.known([delivery.id for _, delivery in deliveries])
        for line, delivery in deliveries:
            self.sender.send(delivery)
            self.report.sent += 1
            self.report.last_line = line.number
            if self.settling.expect(delivery.id, known.get(delivery.id)):
                self.report.new += 1
            else:
                self.report.duplicates += 1
        if self.clock() >= self._look_at:
            self._look()

    def _look(self) -> None:
        began = self.clock()
        self.settling.look()
        now = self.clock()
        self._look_at = now + max(_LOOK_EVERY_SECONDS, _LOOK_SHARE * (now - began))


def _decode(line: Line, max_payload_bytes: int) -> object:
    if line.text is None:
        raise InvalidHook(
            f"the line has {line.size:,} bytes; a payload may have {max_payload_bytes:,} "
            "(OMNINODE_HOOK_MAX_BYTES)"
        )
    try:
        # Some editors put a byte order mark at the front of a file.
        return json.loads(line.text.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise InvalidHook(f"not JSON: {error.msg} at character {error.pos + 1}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidHook(f"not JSON: {error}") from None
