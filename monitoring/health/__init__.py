"""Health: does what OmniNode stands on work? A module adds its own: `@health_check("name", every=60)`."""

from monitoring.health.registry import Check, check_source, health_check
from monitoring.health.verdict import Degraded, Unhealthy

__all__ = ["Check", "Degraded", "Unhealthy", "check_source", "health_check"]
