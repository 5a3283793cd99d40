"""What happened: health, and what can be said about the fleet."""
