"""The shipped checks; importing this package declares them."""

from monitoring.health.probes import beat, kafka, postgres, redis, workers

__all__ = ["beat", "kafka", "postgres", "redis", "workers"]
