"""How a node of Apache Kafka is configured, formatted, started and asked, with little memory and waiting."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException

from orchestrator import kafka
from orchestrator.dev import ports
from orchestrator.dev.ports import LOOPBACK

_ASK_SECONDS = 0.5
_MEMORY = ("-Xmx256m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_LOGGING = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true")
_ONE_NODE = """\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
# A broker that was killed comes back when its old session has expired: 11 seconds later without these two.
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=200
"""


@dataclass(frozen=True)
class Broker:
    """One node of Kafka: its folder, its program (Java, its options and the class path) and its two ports."""

    folder: Path
    program: Sequence[str]
    port: int
    controller_port: int

    @property
    def bootstrap_servers(self) -> str:
        """Where clients find it."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def is_formatted(self) -> bool:
        """Whether the folder has been prepared for this node."""
        return (self.folder / "log" / "meta.properties").exists()

    def write_configuration(self) -> None:
        """Write what both commands read."""
        plaintext, controller = f"{LOOPBACK}:{self.port}", f"{LOOPBACK}:{self.controller_port}"
        self._configuration.write_text(
            _ONE_NODE
            + f"controller.quorum.voters=1@{controller}\n"
            + f"listeners=PLAINTEXT://{plaintext},CONTROLLER://{controller}\n"
            + f"advertised.listeners=PLAINTEXT://{plaintext}\n"
            + f"log.dirs={self.folder / 'log'}\n"
        )

    def format_command(self) -> list[str]:
        """The command that prepares the folder."""
        options = [
            "--cluster-id",
            self.cluster_id(),
            "--config",
            str(self._configuration),
            "--ignore-formatted",
        ]
        return [*self.program, "kafka.tools.StorageTool", "format", *options]

    def command(self) -> list[str]:
        """The command that runs the node."""
        return [*self.program, "kafka.Kafka", str(self._configuration)]

    def answers(self) -> bool:
        """Whether this very node, not another on its port, tells of itself as a broker that serves."""
        if not ports.is_listening(self.port):
            return False
        try:
            told = kafka.admin(self.bootstrap_servers).list_topics(timeout=_ASK_SECONDS)
        except KafkaException:
            return False
        return told.cluster_id == self.cluster_id() and bool(told.brokers)

    def cluster_id(self) -> str:
        """The cluster's name, made up once."""
        path = self.folder / "cluster-id"
        if not path.exists():
            # Kafka's command line takes a leading `-` for an option.
            path.write_text("k" + urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")[1:])
        return path.read_text()

    @property
    def _configuration(self) -> Path:
        return self.folder / "server.properties"


def java_options(*caching: str) -> list[str]:
    """Java's options for a small and quiet node; `caching` has those of the start-up cache."""
    return [*_MEMORY, *_LOGGING, *caching]
