"""How work runs: the Celery app, its transport and limits, connections, settings and commands."""
