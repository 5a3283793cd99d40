"""Gives ids to deliveries without one: equal inputs give equal ids, equal lines of one input do not."""

import json
import sqlite3
from hashlib import sha256
from types import TracebackType
from typing import Self
from uuid import UUID, uuid5

from tasks.hooks.delivery import Delivery

# Any constant will do, as long as it stays: another one would make known hooks look new.
_NAMESPACE = UUID("5b0f4f0c-6d54-5f0e-9a55-0d8f5c1f7a11")


class Occurrences:
    """Counts how often a content came before in this input, in a temporary file: inputs may be large."""

    def __init__(self) -> None:
        # An empty name is a private database that SQLite keeps in memory while it is small.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE seen (content BLOB PRIMARY KEY, times INTEGER) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def identify(self, delivery: Delivery) -> str:
        """A UUID of the content and its occurrence in this input."""
        content = sha256(_canonical(delivery).encode())
        return str(uuid5(_NAMESPACE, f"{content.hexdigest()}/{self._count(content.digest())}"))

    def _count(self, content: bytes) -> int:
        """How often this content came before."""
        row = self._database.execute("SELECT times FROM seen WHERE content = ?", (content,)).fetchone()
        before = int(row[0]) if row else 0
        self._database.execute("INSERT OR REPLACE INTO seen VALUES (?, ?)", (content, before + 1))
        return before


def _canonical(delivery: Delivery) -> str:
    content = {"event": delivery.event, "payload": delivery.payload, "source": delivery.source}
    return json.dumps(content, sort_keys=True, separators=(",", ":"))
