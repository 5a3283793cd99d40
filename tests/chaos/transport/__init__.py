"""The chaos harness of the transport: messages of every kind, faults of every kind, and one verdict.

`python -m tests.chaos.transport --seed N --messages N [--stock]` runs it; `make chaos` does.
"""
