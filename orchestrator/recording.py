"""Has what happens in a process be recorded for the fleet. What records lies above this room: by its name."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from importlib import import_module

_ROOM = "monitoring.rollup.process"


def begin(role: str) -> None:
    """From now on, in this process and in those that it forks; `role` is what the process is to the fleet.

    It costs neither a thread nor a connection before something happens.
    """
    import_module(_ROOM).begin(role)


def during(role: str) -> AbstractContextManager[None]:
    """What happens within it, in a process that ends soon, and is written at its end."""
    block: AbstractContextManager[None] = import_module(_ROOM).during(role)
    return block


def flush() -> None:
    """The process ends, and not by Python's own exit: what was recorded is written, within limits."""
    room = sys.modules.get(_ROOM)
    if room is not None:
        room.flush()
