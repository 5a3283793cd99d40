"""What one process has to add to the fleet's sums: batches, which count once however often they are sent."""

from __future__ import annotations

from collections import deque
from itertools import count, islice
from typing import Any
from uuid import uuid4

from redis import Redis

from monitoring.recording.sums import Sums, together
from monitoring.rollup import encoding, scripts
from monitoring.rollup.encoding import Row
from orchestrator import keys

# Redis holds up everybody else while it adds this many, for some milliseconds.
_ROWS_AT_ONCE = 200
_REMEMBERED_SECONDS = 3600


class Batches:
    """Those of one process, oldest first. Not thread-safe; a forked child has its own.

    A batch that was sent once stays as it is until Redis has it: whether the first try has arrived is unknown
    where its answer has not. What comes meanwhile is summed, and is as large as there are different names.
    """

    def __init__(self) -> None:
        self._id = uuid4().hex
        self._numbers = count(1)
        self._sent: deque[tuple[int, list[Row]]] = deque()
        self._of_sent = Sums()
        self._waiting = Sums()
        self._marks: dict[str, int] = {}
        self._script: Any = None

    def __bool__(self) -> bool:
        return bool(self._sent or self._marks or self._waiting != Sums())

    def sums(self) -> Sums:
        """All that Redis may not have yet."""
        return together((self._of_sent, self._waiting))

    def marks(self) -> dict[str, int]:
        """What else it may not have yet: how much was refused, and how many names were too many."""
        return dict(self._marks)

    def put(self, sums: Sums, **marks: int) -> None:
        """This is to be added too."""
        if sums != Sums():
            self._waiting += sums
        for name, number in marks.items():
            if number:
                self._marks[name] = self._marks.get(name, 0) + number

    def send(self, client: Redis, prefix: str) -> None:
        """Add all of it; what was added before an error is not added again.

        Raises:
            redis.exceptions.RedisError: Redis does not answer, or refuses.
        """
        add = self._script = self._script or client.register_script(scripts.add())
        while self:
            if not self._sent:
                self._number()
            while self._sent:
                number, rows = self._sent[0]
                words = [word for row in rows for word in row]
                add(keys=self._keys(prefix), args=[number, _REMEMBERED_SECONDS, *words], client=client)
                self._sent.popleft()
            self._of_sent = Sums()

    def forget(self, client: Redis, prefix: str) -> None:
        """All was added, and nothing will be: nobody need remember the last one."""
        client.delete(self._keys(prefix)[1])

    def _keys(self, prefix: str) -> tuple[str, str]:
        return keys.metrics("", prefix), keys.metrics(f"added:{self._id}", prefix)

    def _number(self) -> None:
        rows = iter([*encoding.rows(self._waiting), *self._marked()])
        self._of_sent, self._waiting, self._marks = self._waiting, Sums(), {}
        while some := list(islice(rows, _ROWS_AT_ONCE)):
            self._sent.append((next(self._numbers), some))

    def _marked(self) -> list[Row]:
        return [Row(name, name, "count", str(number)) for name, number in self._marks.items()]
