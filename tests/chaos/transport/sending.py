"""Sends one message of the plan, once: an error means that it may or may not be there."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import chain, chord
from redis import Redis

from tests.chaos.transport import poison
from tests.chaos.transport.plan import Message, Part
from tests.chaos.transport.tasks import app

Send = Callable[[Message, list[str]], object]


def send(client: "Redis", message: Message, ids: list[str]) -> None:
    """Hand all parts of the message to the broker."""
    part = message.parts[0]
    if message.kind in poison.KINDS:
        client.lpush(poison.list_key(part.queue, part.priority), poison.raw(message, ids[0]))
    elif message.kind == "chain":
        chain(*_signatures(message, ids)).apply_async()
    elif len(message.parts) > 1:
        *members, body = _signatures(message, ids)
        chord(members)(body)
    else:
        _send_one(message, part, ids[0])


def _send_one(message: Message, part: Part, task_id: str) -> None:
    special: dict[str, dict[str, Any]] = {
        "expired": {"expires": datetime.now(UTC) - timedelta(seconds=5)},
        "wrong_arguments": {"kwargs": {"nobody": "asked"}},
    }
    options = special.get(message.kind, {})
    app.send_task(
        part.task,
        args=[message.index],
        task_id=task_id,
        queue=part.queue,
        priority=part.priority,
        countdown=part.countdown,
        **({"kwargs": {"seconds": part.seconds}} | options),
    )
    if message.kind == "revoked":
        app.control.revoke(task_id)


def _signatures(message: Message, ids: list[str]) -> list[Any]:
    return [
        app.signature(
            part.task,
            args=[message.index],
            kwargs={"seconds": part.seconds},
            options={"queue": part.queue, "priority": part.priority, "task_id": task_id},
        )
        for part, task_id in zip(message.parts, ids, strict=True)
    ]
