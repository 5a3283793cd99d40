"""The embedded stack: real servers, a worker, beat and Flower on one machine, for development and tests."""
