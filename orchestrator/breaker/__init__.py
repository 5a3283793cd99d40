"""Circuit breakers that a whole fleet shares: free while all is well, agreed on in Redis when it is not."""
