"""Dead letters go back to their queues: each replay is enqueued once, and its outcome comes back."""
