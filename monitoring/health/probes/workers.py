"""Is every queue served by a worker?

OmniNode's workers say so in Redis, also while one with `--pool solo` works. Only where they leave a queue to
others are all asked in a broadcast, which stock workers answer too, and which takes a second.
"""

from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from monitoring.health.registry import health_check
from monitoring.health.verdict import Degraded, Unhealthy
from orchestrator import broker, settings
from orchestrator.queues import serving

_TIMEOUT_SECONDS = 2.0
# One broadcast takes as long as it waits for answers; a busy fleet is asked again, with more patience.
_PATIENCE_SECONDS = (1.0, 2.5)

Served = Mapping[str, Iterable[Mapping[str, Any]]]


@health_check("workers", critical=True)
def check_workers() -> str | Degraded:
    """Look at which queues workers say they serve, and ask them where that is not enough."""
    declared = [queue.name for queue in current_app.conf.task_queues or ()]
    queues = declared or [current_app.conf.task_default_queue]
    told = _told()
    if not told or isinstance(judge(told, queues), Degraded):
        told = {**told, **_ask()}
    return judge(told, queues)


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


def _told() -> Served:
    """As the workers of this app's broker have said within 15 seconds; one that stops serves nothing."""
    chosen = settings.current()
    if current_app.conf.broker_url != chosen.broker_url:
        return {}
    try:
        with broker.client(chosen, timeout_seconds=_TIMEOUT_SECONDS, retries=0) as client:
            living = serving.workers(client, chosen.key_prefix)
    except (RedisError, OSError) as error:
        raise Unhealthy(f"cannot be asked, the broker does not answer: {error}") from error
    return {each.node: [{"name": name} for name in each.queues] for each in living if each.queues}


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
