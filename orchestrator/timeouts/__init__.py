"""Limits of time: an operation's, a task's, and that of all its attempts; who runs, and until when."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.errors import DeadlineExceeded, InvalidDeadline, InvalidTimeout, TimeoutExceeded
    from orchestrator.timeouts.adaptive import Adaptive
    from orchestrator.timeouts.config import TimeoutConfig
    from orchestrator.timeouts.left import deadline_left
    from orchestrator.timeouts.manager import TimeoutManager

__all__ = [
    "Adaptive",
    "DeadlineExceeded",
    "InvalidDeadline",
    "InvalidTimeout",
    "TimeoutConfig",
    "TimeoutExceeded",
    "TimeoutManager",
    "deadline_left",
]

_ERRORS = "orchestrator.errors"
_ROOMS = {
    "Adaptive": f"{__name__}.adaptive",
    "DeadlineExceeded": _ERRORS,
    "InvalidDeadline": _ERRORS,
    "InvalidTimeout": _ERRORS,
    "TimeoutConfig": f"{__name__}.config",
    "TimeoutExceeded": _ERRORS,
    "TimeoutManager": f"{__name__}.manager",
    "deadline_left": f"{__name__}.left",
}


def __getattr__(name: str) -> Any:
    # Whoever only reads a deadline does not load what watches.
    if name not in _ROOMS:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_ROOMS[name]), name)
