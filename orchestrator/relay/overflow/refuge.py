"""The overflow as the mover uses it: whether PostgreSQL is there or not, nothing here raises."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from orchestrator.deadletter.death import Death
from orchestrator.relay.entry import Entry
from orchestrator.relay.overflow.table import Overflow
from orchestrator.relay.patience import Patience
from orchestrator.retry.backoff import ceiling_seconds

_CLOSED_BASE_SECONDS, _CLOSED_MOST_SECONDS = 5.0, 300.0


def closed_seconds(refusals: int) -> float:
    """How long to leave in peace what was refused that often."""
    return ceiling_seconds(max(refusals - 1, 0), _CLOSED_BASE_SECONDS, _CLOSED_MOST_SECONDS)


class Refuge:
    """A place for letters that cannot go to Kafka. Where a method says that it is done, it is committed."""

    def __init__(self, database_url: str, clock: Callable[[], float]) -> None:
        self._overflow = Overflow(database_url)
        self._postgres = Patience("overflow", clock)
        self._sent: list[int] = []

    @property
    def error(self) -> str:
        """Why PostgreSQL does not answer; empty when it does."""
        return self._postgres.error

    def store(self, entries: Sequence[Entry], error: str = "", due_in_seconds: float = 0.0) -> bool:
        """Have them in the overflow; those that are there already are tried again later."""
        fresh = [entry for entry in entries if entry.position is None]
        rows = [entry for entry in entries if entry.position is not None]

        def store() -> None:
            if fresh:
                self._overflow.put(fresh, error, due_in_seconds)
            if rows:
                self._overflow.put_off(rows, error, closed_seconds)

        return self._postgres.tell(store)

    def claim(self, most: int, lease_seconds: float, besides: Iterable[str]) -> list[Entry]:
        """Rows that are due, the oldest first."""
        self.settle()
        return self._postgres.ask(lambda: self._overflow.claim(most, lease_seconds, besides)) or []

    def release(self, rows: Iterable[Entry]) -> None:
        """Let others have them. Where PostgreSQL is away, they have them when the claim ends."""
        positions = [entry.position for entry in rows if entry.position is not None]
        if positions:
            self._postgres.tell(lambda: self._overflow.release(positions))

    def is_sent(self, row: Entry) -> None:
        """Kafka has it: the row will be deleted by `settle`."""
        if row.position is not None:
            self._sent.append(row.position)

    def settle(self) -> None:
        """Delete what was sent."""
        sent = self._sent
        if sent and self._postgres.tell(lambda: self._overflow.delete(sent)):
            self._sent = []

    def keep_value(self, death_id: str, raw: bytes) -> bool:
        """Store a message that no record can hold."""
        return self._postgres.tell(lambda: self._overflow.keep_value(death_id, raw))

    def index(self, deaths: Sequence[Death], max_replays: int) -> bool:
        """Have them in the index."""
        return self._postgres.tell(lambda: self._overflow.index(deaths, max_replays))

    def answers(self) -> bool:
        """Whether PostgreSQL is there."""
        return self._postgres.tell(self._overflow.ping)

    def count(self) -> int | None:
        """How many rows there are; None where PostgreSQL is away."""
        return self._postgres.ask(self._overflow.count)

    def close(self) -> None:
        """Let the connection go."""
        self._overflow.close()
