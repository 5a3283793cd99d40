"""Is every queue served by a worker?

A worker with `--pool solo` cannot answer while it works: a task does not see the one that runs it.
"""

from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from monitoring.health.registry import health_check
from monitoring.health.verdict import Degraded, Unhealthy

# One broadcast takes as long as it waits for answers; a busy fleet is asked again, with more patience.
_PATIENCE_SECONDS = (1.0, 2.5)

Served = Mapping[str, Iterable[Mapping[str, Any]]]


@health_check("workers", critical=True)
def check_workers() -> str | Degraded:
    """Ask all workers, in one broadcast, which queues they serve."""
    queues = [queue.name for queue in current_app.conf.task_queues or ()]
    return judge(_ask(), queues or [current_app.conf.task_default_queue])


def judge(served: Served, queues: Iterable[str]) -> str | Degraded:
    """What the workers' answers mean; `served` holds each node's queues as Celery describes them.

    Raises:
        Unhealthy: no worker answered.
    """
    if not served:
        raise Unhealthy("no worker answers: start one with `celery -A orchestrator worker`")
    names = {queue["name"] for node in served.values() for queue in node}
    count = f"{len(served)} worker{'' if len(served) == 1 else 's'}"
    unserved = [name for name in queues if name not in names]
    if unserved:
        return Degraded(
            f"{count}, but nobody serves {', '.join(unserved)}: start a worker with `-Q {','.join(unserved)}`"
        )
    return f"{count}; every queue is served"


def _ask() -> Served:
    with closing(current_app.connection_for_write()) as connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0)
            for timeout_seconds in _PATIENCE_SECONDS:
                inspect = current_app.control.inspect(timeout=timeout_seconds, connection=connection)
                served: Served = inspect.active_queues() or {}
                if served:
                    return served
        except (OperationalError, RedisError, OSError) as error:
            raise Unhealthy(f"cannot be asked, the broker does not answer: {error}") from error
    return {}
