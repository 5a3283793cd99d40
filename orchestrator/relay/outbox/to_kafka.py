"""The way to Kafka: what is in the overflow goes first, and what there is no room for goes there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.relay.entry import Entry
from orchestrator.relay.kafka.shipping import Shipping
from orchestrator.relay.overflow.draining import Draining
from orchestrator.relay.overflow.refuge import Refuge
from orchestrator.relay.trouble import Trouble
from orchestrator.settings import Settings

# What this process holds of letters at the most: under way, and waiting for their topics.
_MOST_FLYING, _MOST_FLYING_BYTES = 4000, 64 * 1024 * 1024
_MOST_WAITING, _MOST_WAITING_BYTES = 2000, 32 * 1024 * 1024
# Kafka that has taken nothing for so long, while something should have gone there, takes nothing.
_STALLED_SECONDS = 5.0
# How much longer than sending may take a claimed row is another relay's at the earliest.
_LEASE_SLACK_SECONDS = 60.0


class ToKafka:
    """See `Way`. For one thread."""

    has_overflow = True

    def __init__(self, settings: Settings, refuge: Refuge, clock: Callable[[], float]) -> None:
        self._refuge = refuge
        self._clock = clock
        self._trouble = Trouble("mover")
        self._shipping = Shipping(settings, refuge, self._is_safe, clock)
        self._draining = Draining(refuge, settings.kafka_timeout_seconds + _LEASE_SLACK_SECONDS, clock)
        self._safe: list[str] = []
        self._stalled_seconds = min(_STALLED_SECONDS, settings.kafka_timeout_seconds)
        self._idle_at = clock()
        self._looked_at = clock()
        self.lets_go = False
        self.is_stalled = False

    @property
    def is_busy(self) -> bool:
        """Whether reports are due."""
        return len(self._shipping.sending) > 0

    def room(self) -> int:
        """How many entries it can take now: none while rows of the overflow come first."""
        sending = self._shipping.sending
        is_full = sending.size >= _MOST_FLYING_BYTES or self._waits_for_too_much()
        return 0 if is_full or self._draining.is_on else max(0, _MOST_FLYING - len(sending))

    def turn(self) -> None:
        """Work off reports, send what is due, and make room."""
        self._shipping.turn()
        self._refuge.settle()
        self._drain()
        if self._waits_for_too_much():
            self._make_room()
        self._look_whether_kafka_takes_any()

    def take(self, entries: Sequence[Entry]) -> None:
        """Send them, or let them wait with others of their topic."""
        self._shipping.ship(entries)

    def wait(self, seconds: float) -> None:
        """Wait for a report, but not longer."""
        self._shipping.wait(seconds)

    def give_way(self, entries: int) -> int:
        """Store the oldest of what it holds, and let go of the rest: PostgreSQL comes first then."""
        held = self._shipping.held()
        if all(entry.position is not None for entry in held) or not self._refuge.answers():
            return 0
        held = self._shipping.give_back()
        self._refuge.release(held)
        fresh = [entry for entry in held if entry.position is None]
        self.lets_go = True
        return len(fresh[:entries]) if self.store(fresh[:entries]) else 0

    def store(self, entries: Sequence[Entry]) -> bool:
        """Have entries in PostgreSQL, from where they go to Kafka before others."""
        if not self._refuge.store(entries):
            return False
        self._safe += [entry.id for entry in entries]
        self._draining.look()
        return True

    def held(self) -> list[str]:
        """The ids in the stream of what it holds."""
        return [*(entry.id for entry in self._shipping.held() if entry.position is None), *self._safe]

    def take_safe(self) -> list[str]:
        """The ids of what is in Kafka or in PostgreSQL."""
        safe, self._safe = self._safe, []
        return safe

    def state(self) -> dict[str, Any]:
        """What it does."""
        return {
            "sent": self._shipping.sent,
            "flying": len(self._shipping.sending),
            "held": self._shipping.lanes.errors(),
            "kafka": self._trouble.error or "up",
            "error": self._trouble.error,
        }

    def finish(self, within_seconds: float) -> None:
        """Wait for reports; rows that were not sent are free for others at once."""
        self._shipping.finish(within_seconds)
        self._refuge.settle()
        self._refuge.release(self._shipping.held())

    def _look_whether_kafka_takes_any(self) -> None:
        now, is_idle = self._clock(), self._shipping.is_idle
        if is_idle:
            self._idle_at = now
        if now - max(self._shipping.took_at, self._idle_at) > self._stalled_seconds:
            self.is_stalled = True
            said = self._shipping.error or self._shipping.sending.error or "no answer"
            self._trouble.is_there(f"Kafka takes nothing: {said}")
            self._shipping.telling.failed(said)
        # It takes some again; or perhaps it does, and there is nothing left by which one could tell.
        elif self.is_stalled and (not self._shipping.error or (is_idle and self._answers())):
            self.is_stalled = False
            self._trouble.is_over()
            self._shipping.telling.took()
        # Nothing is left to send by which the breaker would learn that Kafka is back.
        elif is_idle and self._shipping.telling.probe_is_due and self._answers():
            self._shipping.telling.took()

    def _is_safe(self, entry: Entry) -> None:
        if entry.position is None:
            self._safe.append(entry.id)
        else:
            self._refuge.is_sent(entry)

    def _drain(self) -> None:
        shut = self._shipping.lanes.shut(self._clock())
        rows = self._draining.claim(self._shipping.rows(), shut, is_stalled=self.is_stalled)
        if rows:
            self._shipping.ship(rows)

    def _waits_for_too_much(self) -> bool:
        number = size = 0
        for entry in self._shipping.lanes.waiting():
            number += 1
            size += entry.size
        return number > _MOST_WAITING or size > _MOST_WAITING_BYTES

    def _make_room(self) -> None:
        """Topics that take nothing must not keep others from being read; a cluster that is away keeps all."""
        if self.is_stalled and not self._answers():
            return
        waiting = self._shipping.lanes.take_all()
        by_topic: dict[str, list[Entry]] = defaultdict(list)
        for entry in waiting:
            by_topic[entry.topic].append(entry)
        # Without PostgreSQL they are let go of, and stay in Redis: one day somebody takes them over.
        for entries in by_topic.values():
            self.store([entry for entry in entries if entry.position is None])
        self._refuge.release(waiting)

    def _answers(self) -> bool:
        if self._clock() - self._looked_at < _STALLED_SECONDS:
            return False
        self._looked_at = self._clock()
        return self._shipping.topics.answers()
