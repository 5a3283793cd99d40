"""Dead-letter topics that are not known by the fleet's suffix: a client has one of its own."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from redis.exceptions import RedisError

from orchestrator import broker, keys
from orchestrator.settings import Settings

_ANSWER_SECONDS = 1.0


class Others:
    """Asks Redis for their names; while it is away they are those that it last said."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: frozenset[str] = frozenset()

    def names(self) -> frozenset[str]:
        """All that are known."""
        with (
            suppress(RedisError, OSError),
            broker.client(self._settings, decode=True, timeout_seconds=_ANSWER_SECONDS, retries=0) as client,
        ):
            found: Any = client.smembers(keys.letter_topics(self._settings.key_prefix))
            self._known = frozenset(found)
        return self._known
