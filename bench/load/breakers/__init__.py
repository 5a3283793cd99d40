"""What the two benchmarks of the breaker share: the libraries that are compared, and their measurements."""
