"""The message as it lies in a list: kombu's JSON envelope, read with suspicion, written as stock does."""

import json
from datetime import UTC, datetime
from typing import Any

from kombu.utils import json as kombu_json

# The eta that this message has waited out in Redis: whoever claims it may run it.
HELD = "omninode-held"

Envelope = dict[str, Any]


def decode(raw: bytes) -> Envelope:
    """Read an envelope; the headers, which one of Celery's older format may go without, are a mapping then.

    Raises:
        ValueError: it is none: no JSON object, or without what every message of kombu has.
    """
    try:
        envelope = kombu_json.loads(raw.decode()) if b"__type__" in raw else json.loads(raw)
    except RecursionError:
        raise ValueError("the envelope is nested too deeply") from None
    if not isinstance(envelope, dict):
        raise ValueError("the envelope is no JSON object")  # noqa: TRY004 (one error for all)
    properties = envelope.get("properties")
    if not isinstance(properties, dict):
        raise ValueError("the envelope has no properties")  # noqa: TRY004
    if not isinstance(properties.get("delivery_tag"), str):
        raise ValueError("the envelope has no delivery_tag")  # noqa: TRY004
    if not isinstance(properties.get("delivery_info"), dict):
        raise ValueError("the envelope has no delivery_info")  # noqa: TRY004
    if envelope.get("headers") is None:
        envelope["headers"] = {}
    return envelope


def encode(envelope: Envelope) -> str:
    """The envelope as the text that goes into a list."""
    return str(kombu_json.dumps(envelope))


def delay_ms(headers: Any, now: datetime | None = None) -> int:
    """How long the message has to wait for its eta: 0 when it has none, is due, or has one that is no time.

    Counted by the clock of whoever asks, so that only Redis's clock decides when the wait is over. An eta
    without a zone is UTC, as Celery reads it.
    """
    eta = headers.get("eta") if isinstance(headers, dict) else None
    if not isinstance(eta, str):
        return 0
    try:
        due = datetime.fromisoformat(eta)
    except ValueError:
        return 0
    if due.tzinfo is None:
        due = due.replace(tzinfo=UTC)
    try:
        return max(0, int((due - (now or datetime.now(UTC))).total_seconds() * 1000))
    except OverflowError:
        return 0


def held(envelope: Envelope) -> Envelope:
    """The same message, marked as one whose eta Redis watches: with another eta the mark means nothing."""
    return envelope | {"headers": envelope["headers"] | {HELD: envelope["headers"]["eta"]}}
