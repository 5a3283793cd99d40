"""The stack's Kafka: a real Apache Kafka of one node, or librdkafka's mock where Java or Maven is missing."""

from __future__ import annotations

import sys

from orchestrator.dev.processes.steps import Steps
from orchestrator.dev.servers.java import Tools
from orchestrator.dev.servers.kafka_broker import Broker
from orchestrator.dev.servers.kafka_cache import KafkaCache
from orchestrator.dev.servers.serving import Site

NAME = "kafka"
_FORMAT_SECONDS = 60.0


def start(site: Site, tools: Tools) -> Steps[str]:
    """Start the server; returns its `host:port` when it answers."""
    if tools.java is None or tools.maven is None:
        return (yield from _start_mock(site))
    program = yield from KafkaCache(site, NAME, tools.java).program(tools.maven)
    return (yield from site.on_free_ports(NAME, 2, lambda ports: _start(site, program, ports)))


def about_the_mock(missing: str) -> str:
    """The sentence that says what it means to have no real Kafka."""
    return (
        f"Kafka is librdkafka's mock, as {missing} could not be found: it lives in memory, what is written "
        "to it is lost when it stops, and it knows no real administration of topics."
    )


def _start(site: Site, program: list[str], ports: list[int]) -> Steps[str]:
    broker = Broker(site.data(NAME), program, *ports)
    broker.write_configuration()
    if not broker.is_formatted:
        yield from site.children.run("kafka-format", broker.format_command(), _FORMAT_SECONDS)
    child = site.children.start(NAME, broker.command())
    yield from site.until_answering(child, broker.answers)
    return broker.bootstrap_servers


def _start_mock(site: Site) -> Steps[str]:
    child = site.children.start(NAME, [sys.executable, "-m", "orchestrator.dev.servers.kafka_mock"])

    def has_told_its_address() -> bool:
        return child.log.read_text().endswith("\n")

    yield from site.until_answering(child, has_told_its_address)
    return child.log.read_text().split()[-1]
