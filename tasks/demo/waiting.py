"""Waits for what a fleet does, and notices when one of its processes has ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from orchestrator.errors import StackError

if TYPE_CHECKING:
    from orchestrator.dev.fleet import Fleet

_PATIENCE_SECONDS = 60.0
_LOOK_EVERY_SECONDS = 0.1


def wait(fleet: Fleet, condition: Callable[[], object], what: str) -> None:
    """Wait until the condition holds.

    Raises:
        StackError: a process of the fleet has ended, or it did not come within a minute.
    """
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        fleet.check()
        if time.monotonic() > give_up_at:
            raise StackError(f"{what} did not come within {_PATIENCE_SECONDS:g} s")
        time.sleep(_LOOK_EVERY_SECONDS)
