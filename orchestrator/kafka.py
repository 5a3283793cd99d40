"""Connections to Kafka."""

import logging

from confluent_kafka.admin import AdminClient

_logger = logging.getLogger(__name__)


def admin(bootstrap_servers: str, timeout_seconds: float = 5.0) -> AdminClient:
    """An administration client. librdkafka reports to this module's logger rather than to standard error."""
    return AdminClient(
        {
            "bootstrap.servers": bootstrap_servers,
            "socket.timeout.ms": max(10, int(timeout_seconds * 1000)),
            "log.connection.close": False,
        },
        logger=_logger,
    )
