"""The way to Kafka: topics, records, and what the broker says of each."""
