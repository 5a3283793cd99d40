"""What Kafka's refusal of an event means: that it may take it later, or that it never will."""

from __future__ import annotations

from confluent_kafka import KafkaError

from orchestrator.errors import EventRefused, KafkaUnavailable

_FOR_GOOD = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError._INVALID_ARG,  # noqa: SLF001 (these are their public names)
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
        KafkaError.POLICY_VIOLATION,
        KafkaError.UNSUPPORTED_COMPRESSION_TYPE,
    }
)


def translate(error: KafkaError, topic: str) -> EventRefused | KafkaUnavailable:
    """Our error for what a delivery report says."""
    said = f"{error.str() or error.name()} ({topic})"
    return EventRefused(said) if error.code() in _FOR_GOOD else KafkaUnavailable(said)
