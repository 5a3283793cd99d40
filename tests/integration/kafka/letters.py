"""What becomes a letter: events for a Kafka that is not there, and the letters in the outbox."""

from typing import Any

from redis import Redis

from orchestrator import keys

NOBODY = "127.0.0.1:1"


def letters_in(outbox: Redis) -> list[dict[bytes, bytes]]:
    """Their fields, oldest first."""
    entries: Any = outbox.xrange(keys.outbox())
    return [fields for _, fields in entries]
