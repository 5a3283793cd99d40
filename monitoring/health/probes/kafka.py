"""Does a Kafka broker answer?"""

from confluent_kafka import KafkaException

from monitoring.health.registry import health_check
from monitoring.health.verdict import Unhealthy
from orchestrator import kafka, settings

_TIMEOUT_SECONDS = 3.0


@health_check("kafka")
def check_kafka() -> str:
    """Ask for the cluster's metadata, unless nothing here uses Kafka."""
    chosen = settings.current()
    if not chosen.kafka_enable_dlq:
        return "not used (KAFKA_ENABLE_DLQ=false)"
    servers = chosen.kafka_bootstrap_servers
    try:
        metadata = kafka.admin(servers, _TIMEOUT_SECONDS).list_topics(timeout=_TIMEOUT_SECONDS)
    except KafkaException as error:
        sentence = f"no broker answers at {servers} (is it running, and is KAFKA_BOOTSTRAP_SERVERS right?)"
        raise Unhealthy(sentence) from error
    brokers = len(metadata.brokers)
    return f"{brokers} broker{'' if brokers == 1 else 's'}"
