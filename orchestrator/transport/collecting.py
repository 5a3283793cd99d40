"""Renders messages where no template will do: `apply_async` publishes, and the channel keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from celery import Task, signals
from celery.app.routes import MapRoute

from orchestrator.transport.envelope import delay_ms, encode, held
from orchestrator.transport.rendering import Row

# What apply_async makes the same of for every row. Any other option goes the long way.
_ALIKE = frozenset(
    {
        "chain",
        "chord",
        "countdown",
        "deadline",
        "eta",
        "expires",
        "group_id",
        "group_index",
        "headers",
        "ignore_result",
        "link",
        "link_error",
        "parent_id",
        "priority",
        "queue",
        "retries",
        "root_id",
        "serializer",
        "shadow",
        "soft_time_limit",
        "time_limit",
    }
)
_OWN_RECEIVERS = frozenset({"omninode-stamp", "omninode-beat-tick"})
_SIGNALS = (signals.before_task_publish, signals.after_task_publish)


@dataclass(frozen=True)
class Rendered:
    """A message, the Redis list that it goes to, and how long it has to wait for its eta (0: not at all)."""

    list: str
    wait_ms: int
    raw: str


def is_alike(task: Any, options: dict[str, Any]) -> bool:
    """Whether messages of this task differ in nothing but ids, tag and arguments: then a template will do."""
    conf, router = task.app.conf, task.app.amqp.router
    chosen = {name for name, value in options.items() if value is not None}
    by_name = all(isinstance(route, MapRoute) for route in router.routes)
    heard = any(key[0] not in _OWN_RECEIVERS for signal in _SIGNALS for key, *_ in signal.receivers or ())
    special = (
        conf.task_always_eager
        or conf.task_compression
        or conf.task_send_sent_event
        or conf.task_inherit_parent_priority
        or conf.task_protocol != 2  # noqa: PLR2004 (Celery's number for the format with headers)
        or getattr(task, "compression", None)
        or getattr(task, "__self__", None) is not None
        or getattr(task, "_dump_pydantic_arguments", None)
    )
    # Not type(): a task may be a proxy.
    kind = task.__class__
    plain = kind.apply_async is Task.apply_async and kind.shadow_name is Task.shadow_name
    return chosen <= _ALIKE and by_name and plain and not heard and not special


def collect(task: Any, producer: Any, task_id: str, row: Row, options: dict[str, Any]) -> list[Rendered]:
    """What `apply_async` would send for one row: nothing where it runs the task at once."""
    channel = producer.channel
    with _kept(channel) as kept:
        task.apply_async(*row, task_id=task_id, producer=producer, **options)
    return [_rendered(channel, queue, message) for queue, message in kept]


@contextmanager
def _kept(channel: Any) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """While this lasts, what is put into the channel's queues is kept here instead."""
    kept: list[tuple[str, dict[str, Any]]] = []

    def keep(queue: str, message: dict[str, Any], **_: Any) -> None:
        kept.append((queue, message))

    channel._put = keep  # noqa: SLF001
    try:
        yield kept
    finally:
        del channel._put  # noqa: SLF001


def _rendered(channel: Any, queue: str, message: dict[str, Any]) -> Rendered:
    wait_ms = delay_ms(message.get("headers"))
    target = channel.list_of(queue, channel._get_message_priority(message, reverse=False))  # noqa: SLF001
    return Rendered(target, wait_ms, encode(held(message) if wait_ms else message))
