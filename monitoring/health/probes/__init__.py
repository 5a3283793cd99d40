"""The shipped checks; importing this package declares them."""

from monitoring.health.probes import beat, breakers, deadletters, fleet, kafka, postgres, redis, workers

__all__ = ["beat", "breakers", "deadletters", "fleet", "kafka", "postgres", "redis", "workers"]
