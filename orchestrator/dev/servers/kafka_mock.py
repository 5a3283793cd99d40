"""Hosts librdkafka's mock of a Kafka cluster, and prints its address when it answers."""

import logging
import signal

from confluent_kafka import Producer

_ANSWER_SECONDS = 10.0


def _main() -> None:
    host = Producer({"test.mock.num.brokers": 1}, logger=logging.getLogger(__name__))
    brokers = host.list_topics(timeout=_ANSWER_SECONDS).brokers.values()
    print(",".join(f"{broker.host}:{broker.port}" for broker in brokers), flush=True)  # noqa: T201 (for its starter)
    signal.pause()


if __name__ == "__main__":
    _main()
