"""What events and names tests of operations look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator import events
from orchestrator.events import CallEnded, Event
from orchestrator.timeouts.running import table


@contextmanager
def told() -> Iterator[list[Event]]:
    """The events that are told meanwhile, but for those that a call has ended."""
    heard: list[Event] = []
    detach = events.attach(lambda event: None if isinstance(event, CallEnded) else heard.append(event))
    try:
        yield heard
    finally:
        detach()


@contextmanager
def unpublished() -> Iterator[None]:
    """Nothing of what runs is shown to a fleet: there is none."""
    on_first, table.on_first = table.on_first, None
    try:
        yield
    finally:
        table.on_first = on_first
