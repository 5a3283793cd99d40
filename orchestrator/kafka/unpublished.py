"""What becomes of events that could not be published: letters, and a list from which they are tried again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from orchestrator import events, redaction, settings
from orchestrator.breaker import Breaker
from orchestrator.deadletter.naming import topic_of
from orchestrator.kafka import letters
from orchestrator.kafka.attempts import COMPONENT, Failed, said
from orchestrator.kafka.blame import Blame
from orchestrator.kafka.failures import Failure, Failures
from orchestrator.kafka.figures import Figures
from orchestrator.kafka.message import Message
from orchestrator.kafka.options import Options
from orchestrator.kafka.outcome import PublishOutcome


class Unpublished:
    """Those of one client."""

    def __init__(self, options: Options, figures: Figures, breaker: Breaker) -> None:
        self._options = options
        self._figures = figures
        self._blame = Blame(breaker)
        self._outbox = letters.Outbox()
        # Letters whose events are published after all.
        self._unresolved: list[str] = []
        self.failures = Failures()

    @property
    def unresolved(self) -> int:
        """How many letters are still to be resolved."""
        return len(self._unresolved)

    async def failed(self, message: Message, ended: Failed) -> PublishOutcome:
        """An event could not be published."""
        failure = Failure(message, "", 0, "", datetime.now(UTC), letters.identity(message))
        await self._write(failure, ended)
        if not self.failures.add(failure) and not failure.letter_id:
            failure.error += "; and it is kept nowhere, as too many failed events are kept already"
        return PublishOutcome(
            message.topic,
            ended.attempts,
            dead_lettered=bool(failure.letter_id),
            letter_id=failure.letter_id,
            error=failure.error,
        )

    async def failed_again(self, failure: Failure, ended: Failed) -> None:
        """One that is kept could not be published this time either."""
        await self._write(failure, ended)

    def published(self, failure: Failure) -> None:
        """One that was kept is published after all."""
        self.failures.remove(failure)
        self._figures.republished += 1
        if failure.letter_id:
            self._unresolved.append(failure.letter_id)

    async def resolve(self) -> None:
        """Tell of the letters whose events are published; those that cannot be told of now stay."""
        unresolved, self._unresolved = self._unresolved, []
        told = await asyncio.gather(*map(self._outbox.tell, unresolved), return_exceptions=True)
        for letter_id, error in zip(unresolved, told, strict=True):
            if error is None:
                self._figures.resolved += 1
            else:
                self._unresolved.append(letter_id)

    def close(self) -> None:
        """Let go of connections."""
        self._outbox.close()

    async def _write(self, failure: Failure, ended: Failed) -> None:
        """Note what happened, and write its letter unless it has one."""
        sentence = ended.sentence(failure.cause, await self._blame.of(ended))
        failure.error = redaction.text(sentence)
        if ended.own is not None:
            failure.cause = said(ended.own)
        failure.attempts += ended.attempts
        if failure.letter_id or not self._options.enable_dead_letter_queue:
            return
        suffix = self._options.dead_letter_topic_suffix
        own_suffix = "" if suffix == settings.current().kafka_dlq_suffix else suffix
        try:
            await self._outbox.write(
                letters.letter(failure.identity, failure.message, ended, sentence, own_suffix)
            )
        except Exception as error:
            # Whatever it was, the event is kept here, and its caller hears of it.
            self._figures.unsaved += 1
            why = redaction.text(f"{type(error).__name__}: {error}")
            failure.error += f"; and no dead letter was written, as Redis is away or takes none: {why}"
            return
        failure.letter_id = failure.identity
        topic = topic_of(failure.message.topic, suffix)
        self._figures.count_letter(topic if settings.current().kafka_enable_dlq else "")
        events.emit(events.DeadLettered(COMPONENT, topic))
