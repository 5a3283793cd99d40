"""The task that ends what has waited for too long in queues without workers; beat sends it."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from orchestrator.sweep.sweeping import sweep_a_part


@shared_task(name="omninode.admin.sweep_queues", bind=True)
def sweep_queues(self: Any) -> dict[str, Any]:
    """Do a part of what `omninode queues sweep` does, some seconds long; the next one goes on there.

    Returns what that has as JSON. Queues that a living worker serves are left alone.

    Raises:
        redis.exceptions.RedisError: Redis is away: the next one sees to it.
    """
    with self.app.connection_for_write() as broker:
        return sweep_a_part(self.app, broker.default_channel).as_json()
