"""The Redis transport that loses nothing: claims under leases, settlements in batches, delays in Redis."""

from orchestrator.transport.transport import SentinelTransport, Transport

__all__ = ["SentinelTransport", "Transport"]
