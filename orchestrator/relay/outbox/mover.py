"""Moves the outbox on: read by one of the relays, carried its way, and forgotten when it is safe there."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import Any

from redis.exceptions import RedisError

from orchestrator import broker, redaction
from orchestrator.relay.outbox.carrying import Carrier
from orchestrator.relay.outbox.stream import Stream
from orchestrator.relay.outbox.to_index import ToIndex
from orchestrator.relay.outbox.to_kafka import ToKafka
from orchestrator.relay.outbox.way import Way
from orchestrator.relay.overflow.refuge import Refuge
from orchestrator.relay.trouble import Trouble
from orchestrator.retry.backoff import ceiling_seconds
from orchestrator.settings import Settings

_AGAIN_BASE_SECONDS, _AGAIN_MOST_SECONDS = 0.1, 5.0


class Mover:
    """Moves dead letters from the outbox to Kafka, or into the index where KAFKA_ENABLE_DLQ is false.

    Any number of them share the work; what a dead one leaves behind is taken over after half a minute.
    """

    def __init__(self, settings: Settings, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._name = name
        self._clock = clock
        self._trouble = Trouble("outbox")
        self._state: dict[str, Any] = {}

    def run(self, stop: Event) -> None:
        """Move letters until `stop` is set; whatever is away is waited for."""
        refuge = Refuge(self._settings.database_url, self._clock)
        make = ToKafka if self._settings.kafka_enable_dlq else ToIndex
        way: Way = make(self._settings, refuge, self._clock)
        with broker.client(self._settings) as client:
            stream = Stream(client, self._name, self._settings.kafka_dlq_suffix, self._settings.key_prefix)
            carrier = Carrier(stream, way, refuge, self._settings.outbox_high_water, self._clock)
            try:
                self._run(carrier, stop)
            finally:
                carrier.finish()
                refuge.close()

    def state(self) -> dict[str, Any]:
        """What waits, where, and why: see `Carrier.state`; `error` is empty while all is well."""
        state = dict(self._state)
        return state | {"error": self._trouble.error or state.get("error", "")}

    def _run(self, carrier: Carrier, stop: Event) -> None:
        failures = 0
        while not stop.is_set():
            try:
                carrier.turn(stop)
                self._state = carrier.state()
            except RedisError as error:
                self._trouble.is_there(f"Redis: {redaction.text(str(error))}")
                carrier.start_again()
                stop.wait(ceiling_seconds(failures, _AGAIN_BASE_SECONDS, _AGAIN_MOST_SECONDS))
                failures += 1
            else:
                failures = 0
                self._trouble.is_over()
