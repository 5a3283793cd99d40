"""Dead letters in PostgreSQL: written from deaths, found, counted, closed, and deleted when they are old."""
