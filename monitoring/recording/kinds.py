"""What can happen beside calls: the kinds of resilience events, and the ways in which they are written."""

from __future__ import annotations

from typing import Literal, get_args

from orchestrator.errors import InvalidMeasure

Kind = Literal[
    "circuit_breaker_trip", "timeout_failure", "retry_attempt", "dead_letter_message", "grace_period_recovery"
]
KINDS: tuple[Kind, ...] = get_args(Kind)

# What is told within the system and counted beside them: whose limit has struck, and replays of letters.
TOLD = (
    "operation_timeout",
    "global_timeout",
    "soft_timeout",
    "hard_timeout",
    "deadline_timeout",
    "replay",
)

_SHORT: dict[str, Kind] = {
    "circuit_breaker": "circuit_breaker_trip",
    "timeout": "timeout_failure",
    "retry": "retry_attempt",
    "dead_letter": "dead_letter_message",
    "grace_recovery": "grace_period_recovery",
}
# Keys of the dashboard, without their last letter.
_KEYS: dict[str, Kind] = {
    "dead_letter_queue_message": "dead_letter_message",
    "grace_period_recoverie": "grace_period_recovery",
}


def kind(event_type: object) -> Kind:
    """The kind of event that is meant; the keys of the dashboard, their singulars and short forms will do.

    Raises:
        InvalidMeasure: there is none of this name; the text says which there are.
    """
    if isinstance(event_type, str):
        name = event_type.strip().lower().replace("-", "_")
        for known in KINDS:
            if name in {known, f"{known}s"}:
                return known
        found = (_SHORT | _KEYS).get(name.removesuffix("s"))
        if found:
            return found
    message = (
        f"event_type must be one of {', '.join(KINDS)} (in short {', '.join(_SHORT)}), not {event_type!r:.80}"
    )
    raise InvalidMeasure(message)
