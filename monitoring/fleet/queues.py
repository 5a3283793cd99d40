"""The queues' figures, asked over a client; what there is too much of to be counted each time is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from celery import Celery, _state
from redis import Redis

from monitoring.fleet.figures import QueueFigures
from monitoring.fleet.sparing import Sparing
from orchestrator import keys, routing
from orchestrator.queues import survey
from orchestrator.queues.lists import Lists
from orchestrator.settings import Settings
from orchestrator.transport import asides, delays
from orchestrator.transport.keys import Keys

# To count a message takes the server some microseconds, and that is done again and again: above the first
# number less often, above the second not at all.
SPARINGLY_COUNTED, MOST_COUNTED = 5_000, 100_000
_sparing = Sparing()

_OURS = "orchestrator.transport.amqp:AMQP"

Figures = tuple[dict[str, QueueFigures], dict[str, str]]


def figures(client: Redis, settings: Settings) -> Figures:
    """Each queue's figures, and by part ("delayed", "aside") why it was not counted.

    Known are the queues that this process's apps of that broker declare, and those that `survey` finds.

    Raises:
        redis.exceptions.RedisError: Redis does not answer.
    """
    prefix, apps = settings.key_prefix, _apps(settings)
    unknown: dict[str, str] = {}
    delayed = aside = None
    sizes = _sizes(client, prefix)
    for part, size in sizes.items():
        if size > MOST_COUNTED:
            unknown[part] = f"{size:,} messages are too many to count each time: `omninode queues list` does"
    if "delayed" not in unknown:
        delayed = _counted(sizes["delayed"], delays.count, client, settings)
    if "aside" not in unknown:
        aside = _counted(sizes["aside"], asides.count, client, settings)
    nothing: Counter[str] = Counter()
    configured = _configured(apps)
    states = survey.look(
        client,
        Lists.of_options(prefix, apps[0].conf.broker_transport_options if apps else {}),
        _known(apps),
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
            is_declared=state.name in configured,
        )
        for state in states
    }
    return found, unknown


def _counted(
    size: int, count: Callable[[Redis, Keys], Counter[str]], client: Redis, settings: Settings
) -> Counter[str]:
    places = Keys(settings.key_prefix)
    if size <= SPARINGLY_COUNTED:
        return count(client, places)
    key = (count, settings.broker_url, settings.key_prefix)
    return _sparing.count(key, lambda: count(client, places))


def _sizes(client: Redis, prefix: str) -> dict[str, int]:
    with client.pipeline(transaction=False) as pipeline:
        pipeline.hlen(keys.delayed_messages(prefix))
        pipeline.hlen(keys.aside_messages(prefix))
        delayed, aside = pipeline.execute()
    return {"delayed": delayed, "aside": aside}


def _apps(settings: Settings) -> list[Celery]:
    """Those of this process that are ours, whichever thread asks."""
    active = _state._get_active_apps()  # type: ignore[attr-defined]  # noqa: SLF001 (no other way)
    ours = [app for app in active if app.amqp_cls == _OURS]
    return [app for app in ours if app.conf.broker_url == settings.broker_url]


def _known(apps: list[Celery]) -> set[str]:
    if not apps:
        return _configured(apps)
    return {name for app in apps for name in app.amqp.queues}


def _configured(apps: list[Celery]) -> set[str]:
    """Without those that an app has made for whatever name a message was sent to."""
    if not apps:
        return {queue.name for queue in routing.queues()}
    return {queue.name for app in apps for queue in app.conf.task_queues or ()}
