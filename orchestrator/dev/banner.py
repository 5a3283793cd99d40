"""What a person is told when everything runs: where, how to use it from elsewhere, and how to stop it."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.dev import environment
from orchestrator.dev.fleet import Fleet


def lines(fleet: Fleet, seconds: float) -> Iterator[str]:
    """The banner's lines."""
    stack = fleet.stack
    kafka = "Apache Kafka" if stack.kafka_is_real else "librdkafka's mock, in memory"
    yield ""
    yield f"OmniNode is ready ({seconds:.1f} s), for development: loopback only, and no passwords"
    yield ""
    yield f"  Redis       {stack.redis_url}"
    yield f"  Kafka       {stack.kafka_bootstrap_servers} ({kafka})"
    yield f"  PostgreSQL  {stack.database_url}"
    yield f"  Flower      {fleet.flower_url}"
    yield f"  Exporter    {fleet.exporter_url}"
    yield f"  data        {stack.directory} ({'kept' if stack.kept else 'removed at the end'})"
    yield f"  logs        {stack.directory / 'logs'}"
    yield ""
    yield "in another terminal:"
    yield ""
    yield from (f"  {line}" for line in environment.exports(stack.environment()))
    yield ""
    yield "Ctrl-C stops everything."
    yield ""
