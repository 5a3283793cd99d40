"""What waits in PostgreSQL for Kafka."""
