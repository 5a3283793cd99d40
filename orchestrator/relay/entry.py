"""One entry of the outbox on its way: its fields as text, the message's bytes, and the topic it goes to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from orchestrator.deadletter import death, event
from orchestrator.deadletter.death import Death
from orchestrator.deadletter.naming import topic_of
from orchestrator.relay.moments import written_at

RAW = b"raw"
# What an entry without a message is called.
_ODD = "bad_envelope"


@dataclass(eq=False)
class Entry:
    """A dead letter on its way.

    `id` is that of its entry in the stream; `position` that of its row in the overflow, where it is in
    PostgreSQL. `refusals` counts how often Kafka refused it for good. After its batch was refused it is sent
    `alone`; `by_reference` says that it was too large even then. Two entries are never equal.
    """

    id: str
    topic: str
    fields: Mapping[str, str]
    raw: bytes
    position: int | None = None
    refusals: int = 0
    alone: bool = False
    by_reference: bool = False
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = len(self.raw) + sum(map(len, self.fields.values()))

    @property
    def order(self) -> tuple[int, int, int]:
        """Oldest first: rows of the overflow by their position, then the stream's entries."""
        ms, _, number = self.id.partition("-")
        return (0, self.position, 0) if self.position is not None else (1, int(ms), int(number))

    def death(self) -> Death:
        """What it tells of."""
        return death.from_outbox(self.fields, self.raw)


def from_stream(entry_id: bytes, content: Mapping[bytes, bytes], suffix: str) -> Entry:
    """Read an entry, whoever wrote it: what it lacks is made up from what it has, the same each time."""
    fields = {_name(name): _text(value) for name, value in content.items() if name != RAW}
    identity = entry_id.decode()
    raw = content.get(RAW)
    if raw is None:
        raw = json.dumps(fields).encode()
        fields.setdefault("reason", _ODD)
    if not fields.get("id"):
        fields["id"] = hashlib.sha256(b"\n".join((entry_id, raw))).hexdigest()
    if death.moment(fields.get("died_at")) is None:
        fields["died_at"] = written_at(entry_id).isoformat(timespec="milliseconds")
    # A client may have its letters in topics of another suffix.
    return Entry(identity, topic_of(fields.get("queue", ""), fields.get(event.SUFFIX) or suffix), fields, raw)


@lru_cache(maxsize=256)
def _name(content: bytes) -> str:
    return _text(content)


def _text(content: bytes) -> str:
    # PostgreSQL takes any text but that with a NUL.
    return content.decode(errors="backslashreplace").replace("\0", "\\x00")
