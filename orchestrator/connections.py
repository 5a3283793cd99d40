"""The connections that this process has, by service; counting them opens none, and waits for nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from weakref import ReferenceType, ref

Service = Literal["redis", "postgresql", "kafka"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Tracked:
    service: Service
    owner: ReferenceType[Any]
    count: Callable[[Any], int | None]
    pid: int | None


_tracked: dict[int, _Tracked] = {}


def track(service: Service, owner: T, count: Callable[[T], int | None], *, in_children: bool = False) -> T:
    """Have what `owner` holds be counted while it lives; `count` must wait for no lock. Returns the owner.

    Only in this process, unless the owner also serves forked children (`in_children`): there `count` says
    None for as long as it is not used.
    """
    number = id(owner)
    owned = ref(owner, lambda _: _tracked.pop(number, None))
    _tracked[number] = _Tracked(service, owned, count, None if in_children else os.getpid())
    return owner


def redis_pool(pool: T) -> T:
    """Have the connections of a pool of redis-py's be counted; returns it."""
    return track("redis", pool, _connected, in_children=True)


def active() -> dict[str, int]:
    """How many are open, by service; a service that this process does not use is absent."""
    found: dict[str, int] = {}
    for each in list(_tracked.values()):
        owner = each.owner()
        if owner is not None and each.pid in {None, os.getpid()}:
            count = each.count(owner)
            if count is not None:
                found[each.service] = found.get(each.service, 0) + count
    return found


def _connected(pool: Any) -> int | None:
    # A pool that came here by a fork is the parent's until it is used.
    if pool.pid != os.getpid():
        return None
    held = [*pool._available_connections, *pool._in_use_connections]  # noqa: SLF001 (it tells of no idle ones)
    return sum(map(is_open, held))


def is_open(connection: Any) -> bool:
    """Whether a connection of redis-py's is open."""
    return getattr(connection, "_sock", None) is not None
