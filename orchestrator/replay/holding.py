"""What a replay asks of queues: whether they take messages, and whether they are paused."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from kombu.utils.encoding import bytes_to_str

from orchestrator import keys
from orchestrator.errors import ReplayInterrupted
from orchestrator.transport.pushing import AWAY

_BELIEVED_SECONDS = 0.5


class Queues:
    """Answers from the broker, each believed for half a second.

    Raises:
        ReplayInterrupted: from every method, where Redis is away.
    """

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._paused: frozenset[str] = frozenset()
        self._asked_at = float("-inf")
        self._refusals: dict[str, str | None] = {}

    def paused(self) -> frozenset[str]:
        """The queues that nobody claims from."""
        if time.monotonic() - self._asked_at > _BELIEVED_SECONDS:
            name = keys.paused(self._channel.global_keyprefix)
            self._paused = frozenset(map(bytes_to_str, self._ask(lambda client: client.smembers(name))))
            self._asked_at = time.monotonic()
        return self._paused

    def held(self, queue: str) -> str | None:
        """Why messages for this queue have to wait: it is paused."""
        return f"the queue {queue} is paused" if queue in self.paused() else None

    def refusal(self, queue: str) -> str | None:
        """Why this queue takes no messages: it has no name, or it is something else in Redis."""
        if queue not in self._refusals:
            self._refusals[queue] = self._refusal(queue)
        return self._refusals[queue]

    def _refusal(self, queue: str) -> str | None:
        if not queue.strip():
            return "its queue is not known: name one with --to-queue"
        names = [self._channel.list_of(queue, step) for step in self._channel.priority_steps]
        kinds = set(map(bytes_to_str, self._ask(lambda client: [client.type(name) for name in names])))
        return None if kinds <= {"none", "list"} else f"{queue!r} is no queue, but something else in Redis"

    def _ask(self, question: Callable[[Any], Any]) -> Any:
        try:
            with self._channel.plain_client() as client:
                return question(client)
        except AWAY as error:
            raise ReplayInterrupted(f"Redis is away ({error})") from error


def consumed(app: Any, timeout_seconds: float = 1.0) -> frozenset[str]:
    """The queues that some worker consumes, as far as workers answer in that time."""
    answers = app.control.inspect(timeout=timeout_seconds).active_queues() or {}
    return frozenset(queue["name"] for queues in answers.values() for queue in queues or ())
