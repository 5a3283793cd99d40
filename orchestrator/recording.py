"""Has what happens in a process be recorded for the fleet. What records lies above this room: by its name."""

from __future__ import annotations

import sys
from importlib import import_module

_ROOM = "monitoring.rollup.process"


def begin(role: str) -> None:
    """From now on, in this process and in those that it forks; `role` is what the process is to the fleet.

    It costs neither a thread nor a connection before something happens.
    """
    import_module(_ROOM).begin(role)


def flush() -> None:
    """The process ends, and not by Python's own exit: what was recorded is written, within limits."""
    room = sys.modules.get(_ROOM)
    if room is not None:
        room.flush()
