"""What is in the broker: waiting, in flight, delayed, and the letters in its outbox."""

from dataclasses import dataclass
from typing import Any

from redis import Redis

from tests.chaos.transport.conditions import PRIORITIES, QUEUES
from tests.chaos.transport.poison import list_key

OUTBOX = "omninode:outbox"
_SIZES = {
    "omninode:1:claims": "hlen",
    "omninode:1:leases": "zcard",
    "omninode:1:started": "scard",
    "omninode:1:delayed": "zcard",
    "omninode:1:delayed:messages": "hlen",
    # Stock Celery's own.
    "unacked": "hlen",
    "unacked_index": "zcard",
}
_PLUMBING = ("_kombu.", "omninode:", "unacked")


@dataclass(frozen=True)
class Letter:
    """A dead letter; plain Celery's have no bytes."""

    id: str
    reason: str
    task_id: str
    raw: bytes | None


def left(client: "Redis") -> dict[str, int]:
    """How many messages each place holds; empty places are not named."""
    lists = [list_key(queue, priority) for queue in QUEUES for priority in PRIORITIES]
    sizes = {key: _size(client, "llen", key) for key in lists}
    sizes |= {key: _size(client, command, key) for key, command in _SIZES.items()}
    return {key.replace("\x06\x16", ":"): size for key, size in sizes.items() if size}


def contents(client: "Redis") -> str:
    """Everything that is left, as one text to look for task ids in."""
    found: list[Any] = []
    for queue in QUEUES:
        for priority in PRIORITIES:
            found += client.lrange(list_key(queue, priority), 0, -1)
    for key in ("omninode:1:claims", "omninode:1:delayed:messages", "unacked"):
        found += client.hvals(key)
    return "\n".join(bytes(each).decode(errors="replace") for each in found)


def letters(client: "Redis") -> list[Letter]:
    """The outbox, in order."""
    entries: Any = client.xrange(OUTBOX)
    return [
        Letter(
            id=fields.get(b"id", b"").decode(),
            reason=fields.get(b"reason", b"").decode(),
            task_id=fields.get(b"task_id", b"").decode(),
            raw=fields.get(b"raw"),
        )
        for _, fields in entries
    ]


def other_keys(client: "Redis") -> list[str]:
    """Keys that no one should have left behind, as far as this harness knows."""
    ours = {list_key(queue, priority) for queue in QUEUES for priority in PRIORITIES}
    names = {key.decode(errors="replace") for key in client.scan_iter()}
    return sorted(name for name in names - ours if not name.startswith(_PLUMBING))


def _size(client: "Redis", command: str, key: str) -> int:
    return int(getattr(client, command)(key))
