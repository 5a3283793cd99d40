"""The events that a client could not publish, as many as there is room for: they can be published again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orchestrator import redaction
from orchestrator.kafka.message import Message

MOST = 1000
MOST_BYTES = 64 * 1024 * 1024
_LOOKED_AT, _SHOWN = 2000, 200


@dataclass(eq=False, slots=True)
class Failure:
    """An event, why it is not published, and its letter where one was written.

    `identity` is that of its letter, also before there is one: however often it is tried, there is one.
    `cause` is what its last attempt failed by, which `error` says too.
    """

    message: Message
    error: str
    attempts: int
    letter_id: str
    failed_at: datetime
    identity: str = ""
    cause: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As it is shown: of the event its size and its beginning, without secrets."""
        message = self.message
        beginning = _text(message.value[:_LOOKED_AT])
        return {
            "topic": message.topic,
            "key": None if message.key is None else redaction.text(_text(message.key)),
            "size_bytes": len(message.value),
            "preview": redaction.printable(beginning)[:_SHOWN],
            "error": redaction.text(self.error),
            "failed_at": self.failed_at.astimezone(UTC).isoformat(timespec="milliseconds"),
            "attempts": self.attempts,
            "letter_id": self.letter_id,
            "dead_lettered": bool(self.letter_id),
        }


class Failures:
    """In the order in which they failed. Where there is no room, the oldest that has a letter gives way."""

    def __init__(self) -> None:
        self._all: dict[Failure, None] = {}
        self._taken: dict[Failure, None] = {}
        self._bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._all)

    def add(self, failure: Failure) -> bool:
        """Keep it; False where there is no room for it: where it has no letter, that has to be said."""
        size = len(failure.message.value)
        if size > MOST_BYTES:
            self.dropped += bool(failure.letter_id)
            return False
        while len(self._all) >= MOST or self._bytes + size > MOST_BYTES:
            oldest = next((each for each in self._all if each.letter_id and each not in self._taken), None)
            if oldest is None:
                self.dropped += bool(failure.letter_id)
                return False
            self.remove(oldest)
            self.dropped += 1
        self._all[failure] = None
        self._bytes += size
        return True

    def take(self) -> list[Failure]:
        """Those that nobody has taken, to be published again; each is to be removed or given back."""
        taken = [each for each in self._all if each not in self._taken]
        self._taken.update(dict.fromkeys(taken))
        return taken

    def give_back(self, failure: Failure) -> None:
        """It is as it was."""
        self._taken.pop(failure, None)

    def remove(self, failure: Failure) -> None:
        """It is published, or has a letter and no room."""
        self._taken.pop(failure, None)
        if failure in self._all:
            del self._all[failure]
            self._bytes -= len(failure.message.value)

    def as_dicts(self) -> list[dict[str, Any]]:
        """All of them, also those that are being published again."""
        return [each.as_dict() for each in self._all]


def _text(content: bytes) -> str:
    return content.decode(errors="backslashreplace")
