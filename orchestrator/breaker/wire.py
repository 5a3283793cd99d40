"""Reads what the breaker's scripts answer and publish: states and policies, as JSON."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.breaker.state import State
from orchestrator.policy import Policy


def state(told: str | bytes) -> State:
    """The state in a script's reply, or in a message of the channel; lengths of time are from now on.

    Raises:
        ValueError: it is no state.
    """
    try:
        value = json.loads(told)
        mode_left_ms = value["mode_left_ms"]
        return State(
            name=value["name"],
            circuit=value["circuit"],
            born=int(value["born"]),
            version=int(value["version"]),
            epoch=int(value["epoch"]),
            left_seconds=value["left_ms"] / 1000,
            ramp_left_seconds=value["ramp_left_ms"] / 1000,
            has_failures=value["has_failures"],
            mode=value["mode"],
            mode_left_seconds=None if mode_left_ms is None else mode_left_ms / 1000,
            policy=value["policy"],
            why=str(value.get("why", "")),
            opened_by=str(value.get("opened_by", "")),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"this is no breaker's state: {told!r:.200}") from error


def policy(told: str | bytes, otherwise: Policy) -> Policy:
    """The stored policy. What a newer release has added to it is left out; `otherwise` where it is none."""
    try:
        value = json.loads(told)
        return Policy(**{name: given for name, given in value.items() if name in Policy.model_fields})
    except (ValueError, AttributeError):
        return otherwise


def plain(told: Any) -> str:
    """Text that Redis has given, be the client one that decodes or not."""
    return told.decode(errors="replace") if isinstance(told, bytes) else str(told)
