"""History: minutes that are over move from Redis to PostgreSQL, and are read by minute, hour and day."""
