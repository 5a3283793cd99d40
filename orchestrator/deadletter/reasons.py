"""Why a message became a dead letter: the whole list."""

from typing import Literal, get_args

Reason = Literal[
    "exception",
    "retries_exhausted",
    "soft_timeout",
    "hard_timeout",
    "deadline_exceeded",
    "worker_lost",
    "rejected",
    "unknown_task",
    "invalid",
    "undecodable",
    "bad_envelope",
    "expired",
    "too_many_deliveries",
    "circuit_open",
    "unserializable_result",
]

REASONS: tuple[Reason, ...] = get_args(Reason)
