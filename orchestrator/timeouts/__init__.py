"""Limits of time: an operation's, a task's, and that of all its attempts; who runs, and until when."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.timeouts.config import TimeoutConfig
    from orchestrator.timeouts.left import deadline_left
    from orchestrator.timeouts.manager import TimeoutManager

__all__ = ["TimeoutConfig", "TimeoutManager", "deadline_left"]

_ROOMS = {"TimeoutConfig": "config", "TimeoutManager": "manager", "deadline_left": "left"}


def __getattr__(name: str) -> Any:
    # Whoever only reads a deadline does not load what watches.
    if name not in _ROOMS:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
