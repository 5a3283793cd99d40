"""What Prometheus' own library writes."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector


def of_the_library(families: Iterable[Metric]) -> str:
    """Its text of these."""
    registry = CollectorRegistry()
    registry.register(_Given(families))
    return generate_latest(registry).decode()


class _Given(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
