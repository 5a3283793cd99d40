"""Ends a long command at a signal: the first one finishes what is in hand, the second one does not."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import click


class Stop(Event):
    """Set by the first signal; `code` is the exit code that says which one it was."""

    code = 0


@contextmanager
def finishing() -> Iterator[Stop]:
    """What Ctrl-C and SIGTERM set meanwhile."""
    stop = Stop()

    def finish(number: int, _: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        stop.code = 128 + number
        stop.set()
        click.echo("finishing the batch in hand …", err=True)

    before = {each: signal.signal(each, finish) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
