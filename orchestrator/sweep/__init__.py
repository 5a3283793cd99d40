"""Ends what has waited for too long in queues that no worker serves."""
