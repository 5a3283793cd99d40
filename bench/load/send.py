"""Enqueues for a measurement, as a program of its own: `send.py APP HOW COUNT [RATE]`.

HOW is `once TASK` (one message, as a template), `paced` (COUNT no-op tasks at RATE a second), `loop` (COUNT
times `apply_async`) or `many` (`enqueue_many`); the last two print the seconds that they took.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from threading import Event
from time import monotonic

from celery import Celery

from bench.load import board, work


def main() -> None:
    """Do what the command line says."""
    module, how, *rest = sys.argv[1:]
    app: Celery = import_module(module).app
    if how == "once":
        app.tasks[rest[0]].apply_async((0,))
    elif how == "paced":
        _paced(app, int(rest[0]), float(rest[1]))
    else:
        print(_timed({"loop": _loop, "many": _many}[how], app, int(rest[0])))


def _paced(app: Celery, count: int, rate: float) -> None:
    rows, noop = board.shared(), app.tasks[work.NOOP]
    began, pause = monotonic(), Event()
    for row in range(count):
        pause.wait(max(0.0, began + row / rate - monotonic()))
        rows.send(row)
        noop.apply_async((row,))


def _timed(enqueue: Callable[[Celery, int], None], app: Celery, count: int) -> float:
    app.tasks[work.NOOP].apply_async((0,))  # the connection is there before the clock starts
    began = monotonic()
    enqueue(app, count)
    return monotonic() - began


def _loop(app: Celery, count: int) -> None:
    noop = app.tasks[work.NOOP]
    for row in range(count):
        noop.apply_async((row,))


def _many(app: Celery, count: int) -> None:
    # The peer's process does without OmniNode.
    enqueue_many = import_module("orchestrator.enqueue").enqueue_many
    enqueue_many(app.tasks[work.NOOP], (((row,), {}) for row in range(count)))


if __name__ == "__main__":
    main()
