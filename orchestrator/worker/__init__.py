"""Celery's worker side: every outcome of a delivered message is decided here, once, in the main process.

No other room knows Celery's internals.
"""
