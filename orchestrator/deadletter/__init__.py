"""Dead letters: what is written of a message that has failed for good."""
