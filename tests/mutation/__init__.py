"""Changes the rules of the circuit breakers one by one, and counts the changes that no test notices."""
