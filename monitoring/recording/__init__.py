"""Recording: what one process measures, summed in dictionaries until somebody takes it."""
