"""Finds out whether a cluster answers, without holding up the event loop."""

from __future__ import annotations

import asyncio
import time

from confluent_kafka import KafkaException

from orchestrator.errors import KafkaUnavailable
from orchestrator.kafka import connections
from orchestrator.timeouts.left import within

# So that whoever is cancelled is not waited for by a thread.
_ASK_SECONDS = 0.5


async def reach(servers: str, timeout_seconds: float) -> None:
    """Ask until it answers.

    Raises:
        KafkaUnavailable: it does not within `timeout_seconds`, or what the deadline leaves of them.
    """
    ends_at = time.monotonic() + within(timeout_seconds)
    admin = connections.admin(servers, _ASK_SECONDS)
    while True:
        seconds = max(0.01, min(_ASK_SECONDS, ends_at - time.monotonic()))
        try:
            await asyncio.to_thread(admin.list_topics, timeout=seconds)
        except KafkaException as error:
            if time.monotonic() >= ends_at:
                raise KafkaUnavailable(
                    f"no Kafka answers at {servers} within {timeout_seconds:g} s ({error.args[0].str()}): "
                    "start it, or say where it is in KAFKA_BOOTSTRAP_SERVERS or bootstrap_servers"
                ) from None
        else:
            return
