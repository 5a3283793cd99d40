"""Celery's connections: opened over this transport, and shown as the URL that they were given."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import kombu
from celery.app import amqp
from kombu import connection as stock
from kombu.exceptions import InconsistencyError, OperationalError

from orchestrator import stamp
from orchestrator.timeouts import carried, published
from orchestrator.timeouts.deadline import HEADERS

_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.5
# Somewhere in Redis's answer, which names the command first when it came in a pipeline.
_NO_LIST = "WRONGTYPE Operation against a key"

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
    """Whether nothing is won by waiting: no queue is bound, or what stands under its name is no list.

    What else Redis answers may heal: it is full, read-only during a failover, or cannot write its file.
    """
    cause = error.__cause__
    return isinstance(cause, InconsistencyError) or _NO_LIST in str(cause)


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

    def as_task_v2(
        self, task_id: str, name: str, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any
    ) -> Any:
        """A task's message, with its deadline, and the breaker of what it depends on.

        Headers that the caller gives come over them.

        Raises:
            InvalidDeadline: there is no such deadline, it has passed, or comes before the eta.
        """
        given = options.pop(published.OPTION, None)
        if name == published.UNLOCK:
            args = carried.with_body(args)
        message = super().as_task_v2(task_id, name, args, kwargs, *rest, **options)
        # Where the producer does not know the task, the worker works it out.
        task = self.app.tasks.get(name)
        if task is not None and (breaker := stamp.dependency(task, args or (), kwargs or {})):
            message.headers[stamp.BREAKER] = breaker
        message.headers.update(
            published.headers(
                task, name, given, options.get("headers"), _begins(message.headers, rest, options)
            )
        )
        carried.embed(message.body[2])
        return message

    def as_task_v1(self, task_id: str, name: str, *rest: Any, **options: Any) -> Any:
        """The same in the older format, whose headers are ours alone."""
        given = options.pop(published.OPTION, None)
        message = super().as_task_v1(task_id, name, *rest, **options)
        task = self.app.tasks.get(name)
        message.headers.update(
            published.headers(
                task, name, given, options.get("headers"), _begins(message.body, rest[2:], options)
            )
        )
        carried.embed(message.body)
        return message

    def _create_task_sender(self) -> Callable[..., Any]:
        send = super()._create_task_sender()

        def send_task_message(
            producer: Any,
            name: str,
            message: Any,
            headers: dict[str, Any] | None = None,
            deadline: Any = None,
            **options: Any,
        ) -> Any:
            # It stands in the message; what a retry brings along of an earlier one is over with it.
            if headers and deadline is not None:
                headers = {key: value for key, value in headers.items() if key not in HEADERS}
            return send(producer, name, message, headers=headers, **options)

        return send_task_message

    def _retry_publish(self, publish: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Publish what follows a success: a link, a chain's next step or a chord's body, with its deadline.

        Celery would give up after half a second. A chord whose body cannot be published has failed, and
        Celery deletes its parts.
        """
        if self.app.conf.task_always_eager:
            return super()._retry_publish(publish, *args, **kwargs)
        with published.following():
            return self._publish_patiently(publish, *args, **kwargs)

    def _publish_patiently(self, publish: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        give_up_at = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return super()._retry_publish(publish, *args, **kwargs)
            except OperationalError as error:
                if time.monotonic() >= give_up_at or is_refusal(error):
                    raise
                time.sleep(_PAUSE_SECONDS)


def _begins(message: Mapping[str, Any], rest: tuple[Any, ...], options: Mapping[str, Any]) -> dict[str, Any]:
    """When a task begins: its countdown as it was given, and its eta as its message has it, with its zone."""
    return {"countdown": rest[0] if rest else options.get("countdown"), "eta": message.get("eta")}
