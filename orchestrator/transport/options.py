"""The transport's options, as the settings say them: the same for whoever opens a connection."""

from typing import Any

from orchestrator.settings import Settings


def of(settings: Settings) -> dict[str, Any]:
    """Kombu's `transport_options`; an app's own come on top."""
    return {
        "lease_seconds": settings.lease_seconds,
        "max_deliveries": settings.max_deliveries,
        "master_name": settings.sentinel_master,
        # A Redis that does not answer is away.
        "socket_timeout": 10.0,
        "socket_connect_timeout": 5.0,
        "socket_keepalive": True,
    }
