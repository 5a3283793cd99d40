"""The embedded stack: real servers and our processes on one machine, for development."""
