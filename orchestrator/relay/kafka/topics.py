"""Dead-letter topics: that they exist, and how they are configured."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from orchestrator import kafka
from orchestrator.relay.naming import told_apart
from orchestrator.settings import Settings

_LOG = structlog.get_logger(__name__)

# A record's size is bounded by itself; its batch is a little larger.
SLACK_BYTES = 16 * 1024
_DAY_MS = 86_400_000
# How long the topics of a cluster, and an administrator's work, are waited for; and when one that did not
# answer, as librdkafka's mock never does, is asked again.
_LOOK_SECONDS = 1.0
_WAIT_SECONDS = 3.0
_ASK_AGAIN_SECONDS = 300.0
_NO_SUCH_REPLICATION = {KafkaError.INVALID_REPLICATION_FACTOR, KafkaError.UNSUPPORTED_VERSION}
_EXPECTED = {KafkaError.TOPIC_ALREADY_EXISTS, KafkaError.TOPIC_EXCEPTION, *_NO_SUCH_REPLICATION}


class Topics:
    """Creates the topics that are missing, and sets size and retention of all, each once.

    A topic must not be asked for by name before it is created: that alone may create it, as the broker likes.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._admin: AdminClient | None = None
        self._ready: dict[str, str] = {}
        self._impossible: dict[str, str] = {}
        self._unanswered_until = -_ASK_AGAIN_SECONDS
        self._told: set[str] = set()

    def place(self, topic: str) -> str | None:
        """Where a topic's records go: usually the topic itself. None before `ensure`."""
        return self._ready.get(topic)

    def error(self, topic: str) -> str:
        """Why the topic could not be had when it was last wanted; empty where that is not known."""
        return self._impossible.get(topic, "")

    def forget(self, topic: str) -> None:
        """Look at it anew: somebody may have deleted or changed it."""
        self._ready.pop(topic, None)

    def answers(self) -> bool:
        """Whether the cluster tells of itself within a second."""
        try:
            return bool(self._client.list_topics(timeout=_LOOK_SECONDS).brokers)
        except KafkaException:
            return False

    def ensure(self, topics: Iterable[str]) -> None:
        """Have these topics there and configured, as far as the cluster lets us; at most some seconds long.

        Raises:
            KafkaException: the cluster does not answer.
        """
        wanted = [topic for topic in dict.fromkeys(topics) if topic not in self._ready]
        if not wanted:
            return
        self._impossible = {}
        existing = self._client.list_topics(timeout=_LOOK_SECONDS).topics
        missing = [topic for topic in wanted if topic not in existing]
        self._create(missing)
        self._configure([topic for topic in wanted if topic in existing])
        for topic in wanted:
            if topic not in self._impossible:
                self._ready.setdefault(topic, topic)

    @property
    def _client(self) -> AdminClient:
        if self._admin is None:
            self._admin = kafka.admin(self._settings.kafka_bootstrap_servers, _WAIT_SECONDS)
        return self._admin

    def _create(self, topics: Collection[str]) -> None:
        failed = self._try_to_create(topics, replication=-1)
        # Brokers before 2.4 have no default that could be asked for.
        refused = [topic for topic, code in failed.items() if code in _NO_SUCH_REPLICATION]
        failed |= self._try_to_create(refused, replication=1)
        # Kafka refuses names that differ from another topic's only by `.` and `_`.
        colliding = [topic for topic, code in failed.items() if code == KafkaError.TOPIC_EXCEPTION]
        suffix = self._settings.kafka_dlq_suffix
        others = {topic: told_apart(topic.removesuffix(suffix), topic, suffix) for topic in colliding}
        failed = self._try_to_create(list(others.values()), replication=-1)
        for topic, other in others.items():
            if failed.get(other) == KafkaError.TOPIC_EXCEPTION:
                self._impossible[topic] = "Kafka takes its name for another topic's"
            else:
                self._ready[topic] = other

    def _try_to_create(self, topics: Collection[str], replication: int) -> dict[str, int | None]:
        if not topics or not self._administers():
            return {}
        new = [
            NewTopic(
                topic,
                self._settings.dlq_partitions,
                replication_factor=replication,
                config=self._configuration,
            )
            for topic in topics
        ]
        return self._failed(self._client.create_topics(new, request_timeout=_WAIT_SECONDS))

    def _configure(self, topics: Collection[str]) -> None:
        if not topics or not self._administers():
            return
        asked = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
        answers = self._client.describe_configs(asked, request_timeout=_WAIT_SECONDS)
        self._failed({resource.name: future for resource, future in answers.items()})
        other = [
            resource.name
            for resource, future in answers.items()
            if future.done() and not future.exception() and self._differs(future.result())
        ]
        if not other or not self._administers():
            return
        changes = self._client.incremental_alter_configs(
            [
                ConfigResource(ResourceType.TOPIC, topic, incremental_configs=self._as_changes())
                for topic in other
            ],
            request_timeout=_WAIT_SECONDS,
        )
        self._failed({resource.name: future for resource, future in changes.items()})

    @property
    def _configuration(self) -> dict[str, str]:
        return {
            "max.message.bytes": str(self._settings.dlq_max_bytes + SLACK_BYTES),
            "retention.ms": str(int(self._settings.dlq_retention_days * _DAY_MS)),
        }

    def _differs(self, told: dict[str, Any]) -> bool:
        return any(
            name not in told or told[name].value != value for name, value in self._configuration.items()
        )

    def _as_changes(self) -> list[ConfigEntry]:
        return [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in self._configuration.items()
        ]

    def _administers(self) -> bool:
        return self._clock() >= self._unanswered_until

    def _failed(self, futures: dict[str, Future[Any]]) -> dict[str, int | None]:
        """What was not done, with Kafka's code; waits for all of them together."""
        give_up_at = time.monotonic() + _WAIT_SECONDS
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
