"""Dead-letter topics: that they exist, and how they are configured."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

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
from orchestrator.deadletter.naming import told_apart
from orchestrator.relay.kafka import answers
from orchestrator.relay.kafka.answers import NO_SUCH_REPLICATION, Answers
from orchestrator.settings import Settings

# A record's size is bounded by itself; its batch is a little larger.
SLACK_BYTES = 16 * 1024
DAY_MS = 86_400_000
_LOOK_SECONDS = 1.0
# A topic that somebody deletes may be made anew by the broker itself, as it likes: how soon that is noticed.
_LOOK_AGAIN_SECONDS = 300.0


class Topics:
    """Creates the topics that are missing, and sets size and retention of all; looks anew after minutes.

    A topic must not be asked for by name before it is created: that alone may create it, as the broker likes.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._admin: AdminClient | None = None
        self._ready: dict[str, str] = {}
        self._impossible: dict[str, str] = {}
        self._answers = Answers(clock)
        self._looks_again_at = clock() + _LOOK_AGAIN_SECONDS

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
        if self._clock() >= self._looks_again_at:
            self._looks_again_at = self._clock() + _LOOK_AGAIN_SECONDS
            self._ready.clear()
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
            self._admin = kafka.admin(self._settings.kafka_bootstrap_servers, answers.WAIT_SECONDS)
        return self._admin

    def _create(self, topics: Collection[str]) -> None:
        failed = self._try_to_create(topics, replication=-1)
        # Brokers before 2.4 have no default that could be asked for.
        refused = [topic for topic, code in failed.items() if code in NO_SUCH_REPLICATION]
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
        if not topics or not self._answers.are_given():
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
        return self._answers.failed(self._client.create_topics(new, request_timeout=answers.WAIT_SECONDS))

    def _configure(self, topics: Collection[str]) -> None:
        if not topics or not self._answers.are_given():
            return
        asked = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
        told = self._client.describe_configs(asked, request_timeout=answers.WAIT_SECONDS)
        self._answers.failed({resource.name: future for resource, future in told.items()})
        other = [
            resource.name
            for resource, future in told.items()
            if future.done() and not future.exception() and self._differs(future.result())
        ]
        if not other or not self._answers.are_given():
            return
        changes = self._client.incremental_alter_configs(
            [
                ConfigResource(ResourceType.TOPIC, topic, incremental_configs=self._as_changes())
                for topic in other
            ],
            request_timeout=answers.WAIT_SECONDS,
        )
        self._answers.failed({resource.name: future for resource, future in changes.items()})

    @property
    def _configuration(self) -> dict[str, str]:
        return {
            "max.message.bytes": str(self._settings.dlq_max_bytes + SLACK_BYTES),
            "retention.ms": str(int(self._settings.dlq_retention_days * DAY_MS)),
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
