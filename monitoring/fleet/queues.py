"""The queues' figures, asked over a client; what there is too much of to be counted each time is left out."""

from __future__ import annotations

from collections import Counter
from typing import Any

from celery import current_app
from redis import Redis

from monitoring.fleet.figures import QueueFigures
from orchestrator import keys
from orchestrator.queues import survey
from orchestrator.queues.lists import Lists
from orchestrator.transport import asides, delays
from orchestrator.transport.keys import Keys

# To count a message takes the server some microseconds, and it is done again and again.
MOST_COUNTED = 100_000

Figures = tuple[dict[str, QueueFigures], dict[str, str]]


def figures(client: Redis, prefix: str) -> Figures:
    """Each queue's figures, and by part ("delayed", "aside") why it was not counted.

    Known are the queues that the process's app declares, and those that `survey` finds.

    Raises:
        redis.exceptions.RedisError: Redis does not answer.
    """
    app = current_app
    unknown: dict[str, str] = {}
    delayed = aside = None
    sizes = _sizes(client, prefix)
    for part, size in sizes.items():
        if size > MOST_COUNTED:
            unknown[part] = f"{size:,} messages are too many to count each time: `omninode queues list` does"
    if "delayed" not in unknown:
        delayed = delays.count(client, Keys(prefix))
    if "aside" not in unknown:
        aside = asides.count(client, Keys(prefix))
    nothing: Counter[str] = Counter()
    states = survey.look(
        client,
        Lists.of_options(prefix, _options(app)),
        _declared(app),
        finds=True,
        delayed=nothing if delayed is None else delayed,
        aside=nothing if aside is None else aside,
    )
    found = {
        state.name: QueueFigures(
            waiting=state.waiting_in_all,
            delayed=None if delayed is None else state.delayed,
            aside=None if aside is None else state.aside,
            in_flight=state.in_flight,
            paused=state.paused,
            oldest_waiting_seconds=state.oldest_waiting_seconds,
            workers=state.workers,
        )
        for state in states
    }
    return found, unknown


def _sizes(client: Redis, prefix: str) -> dict[str, int]:
    with client.pipeline(transaction=False) as pipeline:
        pipeline.hlen(keys.delayed_messages(prefix))
        pipeline.hlen(keys.aside_messages(prefix))
        delayed, aside = pipeline.execute()
    return {"delayed": delayed, "aside": aside}


def _options(app: Any) -> dict[str, Any]:
    return dict(app.conf.broker_transport_options or {})


def _declared(app: Any) -> list[str]:
    return list(app.amqp.queues)
