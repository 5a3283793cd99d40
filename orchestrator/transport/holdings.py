"""The keepers of this process: one for each broker, whatever becomes of its connections."""

import os
from collections.abc import Callable

from orchestrator.transport.keeper import Keeper

_KEEPERS: dict[tuple[int, str], Keeper] = {}


def keeper_for(broker: str, make: Callable[[], Keeper]) -> Keeper:
    """The keeper of a broker, made and started when there is none; a fork has none of its parent's."""
    key = os.getpid(), broker
    if key not in _KEEPERS:
        _KEEPERS[key] = make()
        _KEEPERS[key].start()
    return _KEEPERS[key]


def keepers() -> list[Keeper]:
    """All keepers of this process."""
    return [keeper for (pid, _), keeper in _KEEPERS.items() if pid == os.getpid()]


def close() -> None:
    """Give back what is held on every broker, and forget it."""
    for key in [key for key in _KEEPERS if key[0] == os.getpid()]:
        _KEEPERS.pop(key).close()
