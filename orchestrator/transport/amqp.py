"""Celery's connections: opened over this transport, and shown as the URL that they were given."""

from __future__ import annotations

from typing import Any

import kombu
from celery.app import amqp

_TRANSPORTS = {
    "redis": "orchestrator.transport:Transport",
    "rediss": "orchestrator.transport:Transport",
    "sentinel": "orchestrator.transport:SentinelTransport",
}
_SCHEMES = {
    "orchestrator.transport:Transport": "redis",
    "orchestrator.transport:SentinelTransport": "sentinel",
}


class Connection(kombu.Connection):  # type: ignore[misc]
    """A connection to Redis; also after it has switched to another of several URLs."""

    def _init_params(self, *args: Any, **params: Any) -> None:
        # Kombu first: it knows from the scheme whether to use TLS.
        super()._init_params(*args, **params)
        self.transport_cls: str = _TRANSPORTS.get(self.transport_cls, self.transport_cls)

    def as_uri(self, *args: Any, **kwargs: Any) -> str:
        """The URL with the scheme that everybody knows: Flower reads it."""
        uri = str(super().as_uri(*args, **kwargs))
        scheme = _SCHEMES.get(self.transport_cls)
        if scheme == "redis" and self.ssl:
            scheme = "rediss"
        return uri.replace(self.transport_cls, scheme, 1) if scheme else uri


class AMQP(amqp.AMQP):  # type: ignore[misc]
    """Celery's own, with these connections."""

    Connection = Connection
    BrokerConnection = Connection
