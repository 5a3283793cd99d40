"""The shipped checks; importing this package declares them."""

from monitoring.health.probes import beat, deadletters, kafka, postgres, redis, workers

__all__ = ["beat", "deadletters", "kafka", "postgres", "redis", "workers"]
