"""What is counted for the fleet: the fields of its hashes in Redis, bounded names, and how minutes begin."""
