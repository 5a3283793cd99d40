"""What a client counts, and how it tells of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from orchestrator import settings
from orchestrator.breaker import Breaker
from orchestrator.kafka.attempts import Delivered, Failed
from orchestrator.kafka.failures import Failures
from orchestrator.kafka.options import CAP_SECONDS, Options

# Events may name their topics themselves: what is beyond is counted together.
_MOST_TOPICS, _OTHERS = 1000, "other"


@dataclass
class Figures:
    """Counts since the client was made. A retry is an attempt after the first one of the same call."""

    published: int = 0
    recovered: int = 0
    retries: int = 0
    dead_lettered: int = 0
    unsaved: int = 0
    republished: int = 0
    resolved: int = 0
    by_reason: Counter[str] = field(default_factory=Counter)
    by_error: Counter[str] = field(default_factory=Counter)
    by_topic: Counter[str] = field(default_factory=Counter)

    def count(self, ended: Delivered | Failed) -> None:
        """A call has ended so."""
        self.retries += max(0, ended.attempts - 1)
        if isinstance(ended, Delivered):
            self.published += 1
            self.recovered += ended.attempts > 1
            return
        self.by_reason[ended.reason] += 1
        self.by_error[type(ended.own or ended.error).__name__] += 1

    def count_letter(self, topic: str) -> None:
        """A letter is written, which goes to this topic, or to the index alone ("")."""
        self.dead_lettered += 1
        if not topic:
            return
        is_kept = topic in self.by_topic or len(self.by_topic) < _MOST_TOPICS
        self.by_topic[topic if is_kept else _OTHERS] += 1

    def as_dict(
        self, options: Options, failures: Failures, breaker: Breaker, *, is_connected: bool
    ) -> dict[str, Any]:
        """All of it, with what the client goes by."""
        state = breaker.state
        return {
            "connected": is_connected,
            "published": self.published,
            "failure_statistics": {
                "total_failures": self.by_reason.total(),
                "by_reason": dict(self.by_reason),
                "by_error": dict(self.by_error),
            },
            "dead_letter_queue": {
                "enabled": options.enable_dead_letter_queue,
                "goes_to": _goes_to(options),
                "suffix": options.dead_letter_topic_suffix,
                "messages": self.dead_lettered,
                "by_topic": dict(self.by_topic),
                "not_written": self.unsaved,
                "resolved": self.resolved,
            },
            "failed_messages": {"kept": len(failures), "dropped": failures.dropped},
            "retry": {
                "retries": self.retries,
                "recovered": self.recovered,
                "republished": self.republished,
                "max_retry_attempts": options.max_retry_attempts,
                "backoff_base_seconds": options.retry_backoff_base,
                "backoff_cap_seconds": CAP_SECONDS,
            },
            "circuit_breaker": {
                "name": breaker.name,
                "state": state.circuit,
                "mode": state.mode,
                "retry_after_seconds": max(0.0, state.left_seconds) if state.circuit != "closed" else 0.0,
            },
            "timeout_seconds": options.timeout_seconds,
        }


def _goes_to(options: Options) -> str | None:
    if not options.enable_dead_letter_queue:
        return None
    return "topics" if settings.current().kafka_enable_dlq else "index"
