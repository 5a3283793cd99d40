"""Asks the broker for somebody who waits for the answer: one that is away, or frozen, is said soon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from orchestrator import broker, settings


@contextmanager
def channel(app: Any) -> Iterator[Any]:
    """A channel to the app's broker.

    Raises:
        kombu.exceptions.OperationalError, redis.exceptions.RedisError: the broker is away.
    """
    broker.reach(settings.current(), app.conf.broker_url)
    with app.connection_for_write() as connection:
        # Else kombu tries again for some seconds.
        connection.ensure_connection(max_retries=1, interval_start=0)
        yield connection.default_channel
