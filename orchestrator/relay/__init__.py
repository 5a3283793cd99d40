"""From the outbox to Kafka, and from Kafka into the index: what `omninode relay` does."""
