"""Reads a list of messages from the end that is claimed next, in short steps."""

from __future__ import annotations

from typing import Any

# A step takes the server less than a millisecond, also where messages are large.
_STEP, _STEP_BYTES = 200, 1024 * 1024
# To take out what lies behind so many messages would take it some seven milliseconds.
DEEPEST = 50_000


class Reading:
    """One list, read from behind the first `depth` messages on, for `most` messages; None: to its end.

    Where there are no longer so many, it begins anew; where too many lie before what comes next, it ends.
    `depth` is how many messages that stay there have been read; whoever takes one out says so.
    """

    def __init__(self, client: Any, name: str, depth: int = 0, most: int | None = None) -> None:
        self._client = client
        self.name = name
        self.depth = depth
        self.is_at_end = False
        self._left = most
        self._window = 1
        self._has_begun = False

    def next(self) -> list[bytes]:
        """The next messages, the one first that is claimed first; none where it ends, or enough were read."""
        asked = self._window if self._left is None else min(self._window, self._left)
        self.is_at_end = self.is_at_end or self.depth >= DEEPEST
        if asked == 0 or self.is_at_end:
            return []
        found = self._read(asked)
        self.is_at_end = len(found) < asked
        if found:
            average = max(1, sum(map(len, found)) // len(found))
            # It grows from one: what is large is not fetched by the hundred.
            self._window = max(1, min(_STEP, 2 * self._window, _STEP_BYTES // average))
        if self._left is not None:
            self._left -= len(found)
        return found[::-1]

    def _read(self, asked: int) -> list[bytes]:
        found: list[bytes] = self._client.lrange(self.name, -(self.depth + asked), -(self.depth + 1))
        if not found and not self._has_begun and self.depth:
            self.depth = 0
            found = self._client.lrange(self.name, -asked, -1)
        self._has_begun = True
        return found
