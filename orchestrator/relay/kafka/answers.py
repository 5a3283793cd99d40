"""An administrator's answers about topics: waited for, and what was refused is told once."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException

_LOG = structlog.get_logger(__name__)

# How long an administrator's work is waited for; and when one that did not answer, as librdkafka's mock never
# does, is asked again.
WAIT_SECONDS = 3.0
_ASK_AGAIN_SECONDS = 300.0
NO_SUCH_REPLICATION = {KafkaError.INVALID_REPLICATION_FACTOR, KafkaError.UNSUPPORTED_VERSION}
_EXPECTED = {KafkaError.TOPIC_ALREADY_EXISTS, KafkaError.TOPIC_EXCEPTION, *NO_SUCH_REPLICATION}


class Answers:
    """Whether the cluster gives any, and what they say."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._unanswered_until = -_ASK_AGAIN_SECONDS
        self._told: set[str] = set()

    def are_given(self) -> bool:
        """Whether it is worth asking: it has answered, or was not asked lately."""
        return self._clock() >= self._unanswered_until

    def failed(self, futures: dict[str, Future[Any]]) -> dict[str, int | None]:
        """What was not done, by topic, with Kafka's code; waits for all of them together."""
        give_up_at = time.monotonic() + WAIT_SECONDS
        failed = {}
        for topic, future in futures.items():
            try:
                future.result(max(0.0, give_up_at - time.monotonic()))
            except TimeoutError:
                failed[topic] = self._unanswered(topic)
            except KafkaException as error:
                failed[topic] = self._refused(topic, error.args[0])
        return {topic: code for topic, code in failed.items() if code != KafkaError.TOPIC_ALREADY_EXISTS}

    def _unanswered(self, topic: str) -> int:
        self._unanswered_until = self._clock() + _ASK_AGAIN_SECONDS
        self._tell_once(
            "kafka_administers_nothing", topic, "it did not answer; topics are created as it likes"
        )
        return int(KafkaError._TIMED_OUT)  # noqa: SLF001 (that is its public name)

    def _refused(self, topic: str, error: KafkaError) -> int:
        if error.code() in {KafkaError._TIMED_OUT, KafkaError.REQUEST_TIMED_OUT}:  # noqa: SLF001
            return self._unanswered(topic)
        if error.code() not in _EXPECTED:
            self._tell_once("topic_not_configured", topic, error.str())
        return int(error.code())

    def _tell_once(self, event: str, topic: str, error: str) -> None:
        if event not in self._told:
            self._told.add(event)
            _LOG.warning(event, topic=topic, error=error)
