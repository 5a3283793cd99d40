"""What an operator does with queues: look, pause, empty, and move to and from stock Celery."""
