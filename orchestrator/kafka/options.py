"""What a KafkaClient is made with: what it was given, checked, and completed from the settings."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from orchestrator import redaction, settings, urls
from orchestrator.errors import InvalidKafkaClient
from orchestrator.kafka.naming import topic_refusal

_SUFFIX = re.compile(r"[A-Za-z0-9._-]{1,100}")
# Ten years, as for every length of time in the settings.
_LONGEST_SECONDS = 315_360_000.0
_MOST_RETRIES = 1_000_000
CAP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Options:
    """A client's terms; lengths of time are seconds."""

    bootstrap_servers: str
    enable_dead_letter_queue: bool
    dead_letter_topic_suffix: str
    max_retry_attempts: int
    retry_backoff_base: float
    timeout_seconds: float
    default_topic: str


class Configured:
    """What a client was made with, under the names of its arguments; lengths of time are seconds."""

    _options: Options

    @property
    def bootstrap_servers(self) -> str:
        """Where Kafka is."""
        return self._options.bootstrap_servers

    @property
    def enable_dead_letter_queue(self) -> bool:
        """Whether what cannot be published becomes a dead letter."""
        return self._options.enable_dead_letter_queue

    @property
    def dead_letter_topic_suffix(self) -> str:
        """What a topic's name gets to become that of its dead letters."""
        return self._options.dead_letter_topic_suffix

    @property
    def max_retry_attempts(self) -> int:
        """How often it is tried again."""
        return self._options.max_retry_attempts

    @property
    def retry_backoff_base(self) -> float:
        """The longest wait before the first of these; each further one may wait twice as long, up to 30 s."""
        return self._options.retry_backoff_base

    @property
    def timeout_seconds(self) -> float:
        """How long one attempt may take."""
        return self._options.timeout_seconds

    @property
    def default_topic(self) -> str:
        """The topic of events that name none."""
        return self._options.default_topic


def read(given: dict[str, Any]) -> Options:
    """The options; None is what the settings say.

    Raises:
        InvalidKafkaClient: naming the argument, what was given, and what is allowed.
    """
    chosen = settings.current()
    wanted = {name: value for name, value in given.items() if value is not None}
    options = Options(
        bootstrap_servers=wanted.get("bootstrap_servers", chosen.kafka_bootstrap_servers),
        enable_dead_letter_queue=wanted.get("enable_dead_letter_queue", True),
        dead_letter_topic_suffix=wanted.get("dead_letter_topic_suffix", chosen.kafka_dlq_suffix),
        max_retry_attempts=wanted.get("max_retry_attempts", chosen.kafka_max_retries),
        retry_backoff_base=wanted.get("retry_backoff_base", 1.0),
        timeout_seconds=wanted.get("timeout_seconds", chosen.kafka_timeout_seconds),
        default_topic=wanted["default_topic"],
    )
    _check(options)
    return options


def _check(options: Options) -> None:
    _check_servers(options.bootstrap_servers)
    if not isinstance(options.enable_dead_letter_queue, bool):
        raise _wrong("enable_dead_letter_queue", options.enable_dead_letter_queue, "must be True or False")
    suffix = options.dead_letter_topic_suffix
    if not isinstance(suffix, str) or not _SUFFIX.fullmatch(suffix):
        allowed = "must be 1 to 100 letters, digits, dots, underscores and hyphens, such as '.dlq'"
        raise _wrong("dead_letter_topic_suffix", suffix, allowed)
    retries = options.max_retry_attempts
    if not isinstance(retries, int) or isinstance(retries, bool) or not 0 <= retries <= _MOST_RETRIES:
        raise _wrong("max_retry_attempts", retries, "must be a whole number, 0 or more")
    if not _is_length(options.retry_backoff_base):
        raise _wrong("retry_backoff_base", options.retry_backoff_base, "must be seconds, 0 or more")
    if not _is_length(options.timeout_seconds) or not options.timeout_seconds:
        raise _wrong("timeout_seconds", options.timeout_seconds, "must be seconds, more than 0")
    if refusal := topic_refusal(options.default_topic):
        raise _wrong("default_topic", options.default_topic, refusal)


def _check_servers(servers: Any) -> None:
    try:
        urls.bootstrap_servers(servers)
    except (ValueError, AttributeError, TypeError):
        allowed = "must be host:port[,host:port…], such as localhost:9092"
        raise _wrong("bootstrap_servers", servers, allowed) from None


def _is_length(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and 0 <= value <= _LONGEST_SECONDS


def _wrong(name: str, value: Any, allowed: str) -> InvalidKafkaClient:
    return InvalidKafkaClient(f"{name}={redaction.text(f'{value!r:.80}')}: {allowed}")
