"""What `inspect scheduled` says: tasks with an eta wait in Redis, and workers of their queues name them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from celery.worker import control
from kombu.utils.encoding import bytes_to_str

from orchestrator import keys
from orchestrator.transport.envelope import decode

_MOST = 1000
# What Celery gives its timers.
_TIMER_PRIORITY = 6


def register() -> None:
    """Answer `inspect scheduled` (and `dump_schedule`) with what waits in Redis as well."""
    control.Panel.data["scheduled"] = control.Panel.data["dump_schedule"] = scheduled


def scheduled(state: Any, **_: Any) -> list[dict[str, Any]]:
    """List of currently scheduled ETA/countdown tasks."""
    channel = state.consumer.task_consumer.channel
    return [*control.scheduled(state), *_waiting(channel, state.consumer.hostname)]


def _waiting(channel: Any, hostname: str) -> Iterator[dict[str, Any]]:
    lists = {
        channel.list_of(queue, priority) for queue in channel.claimed for priority in channel.priority_steps
    }
    prefix = channel.global_keyprefix
    with channel.plain_client() as client:
        ids = client.zrange(keys.delayed(prefix), 0, _MOST - 1)
        values = client.hmget(keys.delayed_messages(prefix), ids) if ids else []
    for value in values:
        if value is None:
            continue
        target, raw = value.split(b"\n", 1)
        if bytes_to_str(target) in lists:
            yield from _described(channel, raw, hostname)


def _described(channel: Any, raw: bytes, hostname: str) -> Iterator[dict[str, Any]]:
    try:
        envelope = decode(raw)
        message = channel.Message(envelope, channel=channel)
        args, kwargs, _ = message.decode()
        headers, properties = envelope["headers"], envelope["properties"]
        delivery = properties["delivery_info"]
        request = {
            "id": headers["id"],
            "name": headers.get("shadow") or headers["task"],
            "args": args,
            "kwargs": kwargs,
            "type": headers["task"],
            "hostname": hostname,
            "time_start": None,
            "acknowledged": False,
            "delivery_info": {
                "exchange": delivery.get("exchange"),
                "routing_key": delivery.get("routing_key"),
                "priority": properties.get("priority"),
                "redelivered": False,
            },
            "worker_pid": None,
        }
    except Exception:
        return
    yield {"eta": headers.get("eta"), "priority": _TIMER_PRIORITY, "request": request}
