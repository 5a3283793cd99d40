"""Is every queue served by a worker?

OmniNode's workers say so in Redis, also while one with `--pool solo` works. Only where they leave a queue to
others are all asked in a broadcast, which stock workers answer too, and which takes a second.
"""

import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from monitoring.health.registry import health_check
from monitoring.health.verdict import Degraded, Unhealthy
from orchestrator import broker, settings
from orchestrator.queues import serving, survey
from orchestrator.queues.lists import Lists
from orchestrator.redaction import printable

_TIMEOUT_SECONDS = 2.0
# A sentence has room for so many queues that nobody declares.
_MOST_TOLD = 3
# One broadcast takes as long as it waits for answers; a busy fleet is asked again, with more patience.
_PATIENCE_SECONDS = (1.0, 2.5)

Served = Mapping[str, Iterable[Mapping[str, Any]]]


@health_check("workers", critical=True)
def check_workers() -> str | Degraded:
    """Look at which queues workers say they serve, and ask them where that is not enough."""
    declared = [queue.name for queue in current_app.conf.task_queues or ()]
    queues = declared or [current_app.conf.task_default_queue]
    told, waiting = _told(queues)
    if not told or isinstance(judge(told, queues, waiting), Degraded):
        told = {**told, **_ask()}
    return judge(told, queues, waiting)


def judge(served: Served, queues: Iterable[str], waiting: Mapping[str, int] | None = None) -> str | Degraded:
    """What the workers' answers mean; `served` holds each node's queues as Celery describes them.

    `waiting` says how many tasks wait in queues of other names than `queues`, such as mistyped ones.

    Raises:
        Unhealthy: no worker answered.
    """
    if not served:
        raise Unhealthy("no worker answers: start one with `celery -A orchestrator worker`")
    names = {queue["name"] for node in served.values() for queue in node}
    count = f"{len(served)} worker{'' if len(served) == 1 else 's'}"
    unserved = [name for name in queues if name not in names]
    complaints = []
    if unserved:
        complaints.append(
            f"nobody serves {', '.join(unserved)}: start a worker with `-Q {','.join(unserved)}`"
        )
    complaints += _of_others({name: count for name, count in (waiting or {}).items() if name not in names})
    if complaints:
        return Degraded(f"{count}, but {'; '.join(complaints)}")
    return f"{count}; every queue is served"


def _of_others(waiting: Mapping[str, int]) -> Iterator[str]:
    for name, count in list(waiting.items())[:_MOST_TOLD]:
        shown, tasks = printable(name), "1 task waits" if count == 1 else f"{count:,} tasks wait"
        yield (
            f"{tasks} in {shown!r}, which nobody serves: start a worker with `-Q {shlex.quote(shown)}`, "
            "unless its name is a mistake"
        )
    if len(waiting) > _MOST_TOLD:
        yield f"tasks wait in {len(waiting) - _MOST_TOLD:,} more queues that nobody serves"


def _told(queues: Collection[str]) -> tuple[Served, dict[str, int]]:
    """As the workers of this app's broker have said within 15 seconds; one that stops serves nothing.

    And how many tasks wait in queues of other names, where nothing is paused.
    """
    chosen = settings.current()
    if current_app.conf.broker_url != chosen.broker_url:
        return {}, {}
    lists = Lists.of_options(chosen.key_prefix, current_app.conf.broker_transport_options)
    nothing: Counter[str] = Counter()
    try:
        with broker.client(chosen, timeout_seconds=_TIMEOUT_SECONDS, retries=0) as client:
            living = serving.workers(client, chosen.key_prefix)
            # Only what waits is of interest: of delayed and set aside messages there may be very many.
            known = {*queues, *current_app.amqp.queues}
            found = survey.look(client, lists, known, finds=True, delayed=nothing, aside=nothing)
    except (RedisError, OSError) as error:
        raise Unhealthy(f"cannot be asked, the broker does not answer: {error}") from error
    waiting = {each.name: each.waiting_in_all for each in found if each.waiting_in_all and not each.paused}
    others = {name: count for name, count in waiting.items() if name not in queues}
    return {each.node: [{"name": name} for name in each.queues] for each in living if each.queues}, others


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
