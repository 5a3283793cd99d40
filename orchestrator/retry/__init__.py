"""Whether a failed attempt is tried again, and when."""
