"""What the payloads of each source mean: read with tolerance, and brought into the one shape of a hook."""
