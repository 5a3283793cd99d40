"""One delivered message that this process holds, and the one settlement that it gets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from orchestrator import events, settings
from orchestrator.deadletter.death import LETTER, replay_of
from orchestrator.deadletter.naming import topic_of
from orchestrator.tally import fields as tally
from orchestrator.transport.envelope import HELD, Envelope, encode

# What became of a letter whose replay is done; '' where its next attempt was published as another message.
Outcome = Literal["resolved", "revoked", ""]
_COUNTED: dict[Outcome, tally.Outcome] = {"resolved": "succeeded", "revoked": "revoked", "": "retried"}


class Book(Protocol):
    """Where claims stand and settlements are noted: the ledger."""

    claims: dict[str, Claim]
    max_deliveries: int

    def note(self, name: str, claim_id: str, *arguments: str, counted: str = "") -> None:
        """Note a settlement by its name, and under which field it is counted."""

    def note_done(self, claim_id: str, counted: str = "") -> None:
        """Note the common one."""

    def note_start(self, claim: Claim) -> None:
        """Note that the task has begun."""


class Claim:
    """A claimed message. The first settlement counts, later ones do nothing.

    `id` names it in Redis and is the fencing token; `deliveries` counts the earlier ones that had begun and
    ended without a settlement. `first_claimed_at` is when the first of these was claimed, or else this one,
    in Unix seconds.
    """

    __slots__ = (
        "deliveries",
        "envelope",
        "first_claimed_at",
        "handed_over",
        "id",
        "ledger",
        "queue",
        "raw",
        "started",
        "tag",
    )

    def __init__(  # noqa: PLR0917 (who holds what, and what is known of it)
        self, ledger: Book, claim_id: str, queue: str, raw: bytes, deliveries: int, first_claimed_at: float
    ) -> None:
        self.ledger = ledger
        self.id = claim_id
        self.queue = queue
        self.raw = raw
        self.deliveries = deliveries
        self.first_claimed_at = first_claimed_at
        self.envelope: Envelope = {}
        self.tag = ""
        self.started = False
        self.handed_over = False

    def read(self, envelope: Envelope) -> None:
        """Keep the decoded message. Kombu gets to know it by the claim's id, and whether it came before."""
        self.envelope = envelope
        properties = envelope["properties"]
        self.tag = properties["delivery_tag"]
        properties["delivery_tag"] = self.id
        if self.deliveries:
            properties["delivery_info"]["redelivered"] = True

    @property
    def original(self) -> Envelope:
        """The message as it was sent; empty before it was read."""
        return self._with_tag(self.envelope) if self.envelope else {}

    @property
    def is_held(self) -> bool:
        """Whether Redis has watched its eta already: this one, not that of an earlier attempt."""
        headers = self.envelope.get("headers")
        return isinstance(headers, dict) and HELD in headers and headers[HELD] == headers.get("eta")

    @property
    def is_ours(self) -> bool:
        """False once it is settled, or was returned because its lease had ended."""
        return self.id in self.ledger.claims

    def start(self) -> None:
        """Its task begins: if the process dies from now on, a delivery is counted."""
        if not self.started:
            self.started = True
            self.ledger.note_start(self)

    def done(self, outcome: Outcome = "resolved") -> None:
        """It has succeeded, or was revoked: nothing is left of it but, of a replay, its outcome."""
        replay = self._replay() if outcome else None
        if self._settle():
            counted = self._counted(_COUNTED[outcome], "replay" if replay else "")
            if replay:
                self._note_outcome(*replay, outcome, counted)
            elif self.deliveries:
                self.ledger.note("done", self.id, counted=counted)
            else:
                self.ledger.note_done(self.id, counted)

    def bury(self, letter: Mapping[str, str]) -> None:
        """Write the dead letter's fields into the outbox; the script adds the original bytes."""
        counted = self._counted("dead_lettered", letter.get("reason", ""), letter.get("task", ""))
        if self._note("bury", *(part for pair in letter.items() for part in pair), counted=counted):
            topic = topic_of(self.queue, settings.current().kafka_dlq_suffix)
            events.emit(events.DeadLettered(letter.get("task", ""), topic, is_settled=True))

    def release(self) -> None:
        """Give it back to the front of its queue, as if it had never been delivered."""
        self._note("release")

    def reject(self) -> None:
        """Give it back to the end of its queue, and count a delivery."""
        self._note("reject", counted=self._counted("requeued"))

    def put_back(
        self,
        delay_seconds: float = 0.0,
        changed: Envelope | None = None,
        to: str = "",
        counts: tally.Outcome | None = None,
    ) -> None:
        """Put the same message back, changed if so asked, at once or later, to another list if named.

        `counts` says as which outcome of a task this is counted.

        Raises:
            ValueError, TypeError: the changed message or the delay cannot be written; it is still held then.
        """
        raw = encode(self._with_tag(changed)) if changed else ""
        if not math.isfinite(delay_seconds):
            raise ValueError(f"a message cannot wait for {delay_seconds} seconds")
        counted = self._counted(counts) if counts else ""
        self._note("again", str(max(0, round(delay_seconds * 1000))), to, raw, counted=counted)

    def set_aside(self, breaker: str, limit_seconds: float, aside_id: str, changed: Envelope) -> None:
        """Let the message, changed so that it says so, wait for a breaker; its wait ends after this time.

        Raises:
            ValueError, TypeError: the changed message cannot be written; it is still held then.
        """
        limit_ms = str(max(0, round(limit_seconds * 1000)))
        counted = self._counted("waited")
        self._note("aside", breaker, limit_ms, aside_id, encode(self._with_tag(changed)), counted=counted)

    def _note(self, name: str, *arguments: str, counted: str = "") -> bool:
        # What Redis cannot take has to fail here, while the claim is still held, and not in the exchange.
        for argument in arguments:
            argument.encode()
        is_ours = self._settle()
        if is_ours:
            self.ledger.note(name, self.id, *arguments, counted=counted)
        return is_ours

    def _counted(self, outcome: tally.Outcome, reason: str = "", task: str = "") -> str:
        headers = self.envelope.get("headers")
        named = task or (headers.get("task") if isinstance(headers, dict) else None)
        return tally.outcome(named if isinstance(named, str) else "", self.queue, outcome, reason)

    def _replay(self) -> tuple[str, int] | None:
        headers = self.envelope.get("headers")
        return replay_of(headers) if isinstance(headers, dict) and LETTER in headers else None

    def _note_outcome(self, letter_id: str, replay: int, outcome: Outcome, counted: str) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry = {"letter_id": letter_id, "replay": str(replay), "outcome": outcome, "at": at}
        self.ledger.note(
            "resolve", self.id, *(part for pair in entry.items() for part in pair), counted=counted
        )

    def _settle(self) -> bool:
        # One step, so that of two threads only one settles.
        return self.ledger.claims.pop(self.id, None) is not None

    def _with_tag(self, envelope: Envelope) -> Envelope:
        # While it is held, the message is known to kombu by its claim id.
        properties: dict[str, Any] = envelope["properties"] | {"delivery_tag": self.tag}
        return envelope | {"properties": properties}
