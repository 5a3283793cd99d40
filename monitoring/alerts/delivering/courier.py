"""One destination's round: what it has not heard yet, entry by entry, until it is away or time is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any, cast

from redis import Redis

from monitoring.alerts.delivering import backlog, told
from monitoring.alerts.delivering.answer import TAKEN, Answer
from monitoring.alerts.delivering.destination import Destination
from monitoring.alerts.delivering.ledger import Account, Ledger
from monitoring.alerts.delivering.missing import missing
from monitoring.alerts.turn import held
from orchestrator import keys, logger, redaction
from orchestrator.alerts import history
from orchestrator.alerts.history import Entry
from orchestrator.alerts.store import Store
from orchestrator.retry.backoff import delay_seconds
from orchestrator.retry.healing import LONGEST_RETRY_AFTER_SECONDS

_LOG = logger.get(__name__)
# Somebody waits for what it has not heard yet, and asks no more often than once a minute.
_BASE_SECONDS, _MOST_SECONDS = 1.0, 60.0
# Longer than a round may take: the end of one whose process was killed. Who takes longer does no harm: it
# does not move the destination on any more, and what it has sent has the same id when it is sent again.
_TURN_MS = 15_000


@dataclass(frozen=True)
class Report:
    """What a round has brought. `waiting` is None where that is not known, `trouble` says what went wrong.

    `refused` entries are not sent again; `left_out` are those that the destination need not hear of.
    """

    destination: str
    taken: int = 0
    refused: int = 0
    left_out: int = 0
    waiting: int | None = None
    trouble: str = ""


class Courier:
    """Goes once. An entry counts as delivered once its destination has taken it: who is killed repeats it."""

    def __init__(
        self,
        destination: Destination,
        client: Redis,
        prefix: str,
        until: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._destination = destination
        self._client, self._prefix = client, prefix
        self._ledger = Ledger(client, destination.identity, prefix)
        self._is_late: Callable[[], bool] = lambda: clock() >= until
        self._written = self._account = Account(0.0, "")
        self.report = Report(destination.name)

    def go(self) -> Report:
        """Deliver what there is, unless somebody else does so now; an error of Redis is raised."""
        turn = keys.alert_delivery_turn(self._destination.identity, self._prefix)
        with held(self._client, turn, _TURN_MS) as is_ours:
            return self._deliver() if is_ours else self.report

    def _deliver(self) -> Report:
        self._written = self._account = self._ledger.read()
        # A clock that was set back does not make anybody wait for longer than he may be asked to.
        if 0 < self._account.again_at - self._account.now <= LONGEST_RETRY_AFTER_SECONDS:
            self.report = replace(self.report, trouble=self._account.error)
        elif self._tell_history() and self._tell_missing():
            self._remind()
        return self.report

    def _tell_history(self) -> bool:
        waiting = history.read(self._client, self._prefix, self._account.position, history.MOST_ENTRIES)
        overtaken = backlog.overtaken(waiting)
        # What was silenced while it waited to be told of is told when that is over, if it is still so.
        standing = Store(self._client, self._prefix).read() if waiting else None
        for number, entry in enumerate(waiting):
            self.report = replace(self.report, waiting=len(waiting) - number)
            if self._is_late():
                self._write()
                return False
            is_hidden = standing and told.is_beginning(entry) and standing.silence_of(entry.alert)
            if entry.id in overtaken or is_hidden or not self._is_wanted(entry):
                self._account = replace(self._account, position=entry.id)
                self.report = replace(self.report, left_out=self.report.left_out + 1)
            elif not self._tell(entry, entry.id):
                return False
        self.report = replace(self.report, waiting=0)
        return self._account == self._written or self._write()

    def _tell_missing(self) -> bool:
        # Read after the history: what happened in between is told now, and is no news then.
        standing = Store(self._client, self._prefix).read()
        for entry in missing(self._account.told, standing):
            if self._is_wanted(entry) and (self._is_late() or not self._tell(entry, self._account.position)):
                return False
        return True

    def _remind(self) -> None:
        every, account = self._destination.remind_seconds, self._account
        if not every or abs(account.now - account.reminded_at) < every:
            return
        standing = Store(self._client, self._prefix).read()
        # As it was told of them: under other words they would be other alerts.
        raised = [
            replace(standing.raised[name], severity=cast("Any", each.severity), component=each.component)
            for name, each in sorted(account.told.items())
            if name in standing.raised and standing.silence_of(name) is None
        ]
        answer = self._destination.remind(raised) if raised else TAKEN
        if answer.kind == "away":
            self._is_away(answer)
            return
        # Of what it refuses the log has told when it was new.
        self.report = replace(self.report, trouble=answer.sentence)
        back = self._back() if raised else self._account
        self._account = replace(back, reminded_at=account.now)
        self._write()

    def _is_wanted(self, entry: Entry) -> bool:
        return self._destination.wants(entry) and told.is_news(entry, self._account.told.get(entry.alert))

    def _tell(self, entry: Entry, position: str) -> bool:
        """Whether the next one may be told: this one was taken, or is refused for good."""
        if not self._may_be_told(entry):
            return False
        answer = self._ask(entry)
        if answer.kind == "away":
            self._is_away(answer)
            return False
        account = replace(self._back(), position=position)
        if told.changes_belief(entry):
            # Also of what is refused: it is not sent again and again.
            account = account.with_belief(entry.alert, told.after(entry, self._account.told.get(entry.alert)))
        if answer.kind == "refused":
            account = replace(account, refused=account.refused + 1)
            about = {"destination": self._destination.name, "alert": entry.alert, "entry": entry.id}
            _LOG.tell("error", "alert_refused", **about, event_told=entry.event, reason=answer.sentence)
            self.report = replace(self.report, refused=self.report.refused + 1)
        else:
            self.report = replace(self.report, taken=self.report.taken + 1)
        self._account = account
        return self._write()

    def _may_be_told(self, entry: Entry) -> bool:
        """Note that it may believe this from now on: who is killed before the answer owes it the end."""
        is_beginning = told.changes_belief(entry) and entry.event != "cleared"
        if not is_beginning or entry.alert in self._account.told:
            return True
        belief = told.after(entry)
        unsure = replace(belief, is_sure=False) if belief else None
        self._account = self._account.with_belief(entry.alert, unsure)
        return self._write()

    def _back(self) -> Account:
        """The account of a destination that has answered."""
        if self._account.failures:
            _LOG.tell("info", "alert_delivery_resumed", destination=self._destination.name)
        return replace(self._account, failures=0, again_at=0.0, error="")

    def _ask(self, entry: Entry) -> Answer:
        try:
            return self._destination.take(entry, self._account.told.get(entry.alert))
        except Exception as error:
            # What is the other side's fault it says in its answer: this is an entry that cannot be said.
            return Answer("refused", redaction.text(f"it cannot be sent: {type(error).__name__}: {error}"))

    def _is_away(self, answer: Answer) -> None:
        account = self._account
        # Jitter, so that a crowd of deployments does not come back as one.
        pause = delay_seconds(account.failures, _BASE_SECONDS, _MOST_SECONDS, Random())  # noqa: S311
        again_at = account.now + max(pause, answer.again_in_seconds)
        if not account.failures:
            name = self._destination.name
            _LOG.tell("warning", "alert_delivery_failed", destination=name, reason=answer.sentence)
        self._account = replace(
            account, failures=account.failures + 1, again_at=again_at, error=answer.sentence
        )
        self.report = replace(self.report, trouble=answer.sentence)
        self._write()

    def _write(self) -> bool:
        written = self._ledger.write(self._written, self._account)
        if written is None:
            self.report = replace(self.report, trouble="somebody else delivers to it at the same time")
            return False
        self._written = self._account = written
        return True
