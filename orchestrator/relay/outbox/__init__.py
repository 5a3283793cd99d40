"""From the outbox on: an entry is read by one relay, carried its way, and forgotten when it is safe."""
