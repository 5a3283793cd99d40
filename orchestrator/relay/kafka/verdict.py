"""What Kafka's answer to a record means: that it has it, that it may take it later, or that it never will."""

from __future__ import annotations

from enum import Enum

from confluent_kafka import KafkaError


class Verdict(Enum):
    """What becomes of a record."""

    SENT = "sent"
    LATER = "later"
    """Kafka, or the topic, does not take it now."""
    TOO_LARGE = "too large"
    """It, or the batch in which it was sent, is too large for the topic."""
    REFUSED = "refused"
    """Others of the topic may be taken, this one will not."""
    CLOSED = "closed"
    """The topic takes none, until somebody changes something."""


_BY_CODE = {
    KafkaError.MSG_SIZE_TOO_LARGE: Verdict.TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE: Verdict.TOO_LARGE,
    KafkaError.INVALID_RECORD: Verdict.REFUSED,
    KafkaError.INVALID_TIMESTAMP: Verdict.REFUSED,
    KafkaError._INVALID_ARG: Verdict.REFUSED,  # noqa: SLF001 (these are their public names)
    KafkaError.TOPIC_EXCEPTION: Verdict.CLOSED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED: Verdict.CLOSED,
    KafkaError.UNKNOWN_TOPIC_OR_PART: Verdict.CLOSED,
    KafkaError._UNKNOWN_TOPIC: Verdict.CLOSED,  # noqa: SLF001
    KafkaError._UNKNOWN_PARTITION: Verdict.CLOSED,  # noqa: SLF001
    KafkaError.POLICY_VIOLATION: Verdict.CLOSED,
    KafkaError.UNSUPPORTED_COMPRESSION_TYPE: Verdict.CLOSED,
}


def judge(error: KafkaError | None) -> Verdict:
    """The verdict of a delivery report."""
    if error is None:
        return Verdict.SENT
    return _BY_CODE.get(error.code(), Verdict.LATER)
