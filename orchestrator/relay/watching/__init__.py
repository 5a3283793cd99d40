"""What a relay says of itself, and the alerts that follow."""
