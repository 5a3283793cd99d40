"""A program that listens to Celery's events, as Flower does."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any

from celery import Celery


@contextmanager
def listening(app: Celery, kind: str = "*") -> Iterator[list[dict[str, Any]]]:
    """What it hears of this type of event, in order, from the moment on at which this begins."""
    events: list[dict[str, Any]] = []
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={kind: events.append})
        is_over, listens = Event(), Event()

        def listen() -> None:
            with receiver.consumer_context(wakeup=False) as (own, *_):
                listens.set()
                while not is_over.is_set():
                    with suppress(TimeoutError):
                        own.drain_events(timeout=0.1)

        thread = Thread(target=listen)
        thread.start()
        assert listens.wait(10)
        try:
            yield events
        finally:
            is_over.set()
            thread.join(10)
