"""Celery's connections: opened over this transport, and shown as the URL that they were given."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import kombu
from celery.app import amqp
from kombu import connection as stock
from kombu.exceptions import InconsistencyError, OperationalError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError

_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.5

_TRANSPORTS = {
    "redis": "orchestrator.transport:Transport",
    "rediss": "orchestrator.transport:Transport",
    "sentinel": "orchestrator.transport:SentinelTransport",
}
_SCHEMES = {
    "orchestrator.transport:Transport": "redis",
    "orchestrator.transport:SentinelTransport": "sentinel",
}


def is_refusal(error: OperationalError) -> bool:
    """Whether the broker is there, and does not take the message: nothing is won by asking it soon again."""
    cause = error.__cause__
    is_answer = isinstance(cause, ResponseError) and not isinstance(cause, OutOfMemoryError | ReadOnlyError)
    return is_answer or isinstance(cause, InconsistencyError)


class Connection(kombu.Connection):  # type: ignore[misc]
    """A connection to Redis; also after it has switched to another of several URLs."""

    def _init_params(self, *args: Any, **params: Any) -> None:
        # Kombu first: it knows from the scheme whether to use TLS.
        super()._init_params(*args, **params)
        self.transport_cls: str = _TRANSPORTS.get(self.transport_cls, self.transport_cls)

    def Pool(self, limit: int | None = None, **kwargs: Any) -> ConnectionPool:  # noqa: N802 (kombu's)
        """A pool of connections like this one."""
        return ConnectionPool(self, limit, **kwargs)

    def as_uri(self, *args: Any, **kwargs: Any) -> str:
        """The URL with the scheme that everybody knows: Flower reads it."""
        uri = str(super().as_uri(*args, **kwargs))
        scheme = _SCHEMES.get(self.transport_cls)
        if scheme == "redis" and self.ssl:
            scheme = "rediss"
        return uri.replace(self.transport_cls, scheme, 1) if scheme else uri


class PooledConnection(Connection, stock.PooledConnection):  # type: ignore[misc]
    """A producer's: kombu's own would open a Unix socket, and each further URL, over the stock transport."""


class ConnectionPool(stock.ConnectionPool):  # type: ignore[misc]
    """The connections that producers share."""

    def new(self) -> PooledConnection:
        """One more, as kombu makes it."""
        return PooledConnection(self, **dict(self.connection._info(resolve=False)))  # noqa: SLF001


class AMQP(amqp.AMQP):  # type: ignore[misc]
    """Celery's own, with these connections, and patient where a task's result hangs on a message."""

    Connection = Connection
    BrokerConnection = Connection

    def _retry_publish(self, publish: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Publish a chain's next step or a chord's body; Celery would give up after half a second.

        A chord whose body cannot be published has failed, and Celery deletes its parts.
        """
        give_up_at = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return super()._retry_publish(publish, *args, **kwargs)
            except OperationalError as error:
                if time.monotonic() >= give_up_at or self.app.conf.task_always_eager or is_refusal(error):
                    raise
                time.sleep(_PAUSE_SECONDS)
