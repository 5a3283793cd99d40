"""The embedded stack: real servers, a worker, beat, a relay and Flower on one machine, for development."""
