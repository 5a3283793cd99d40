"""Tasks to put canvases together from; what they did is noted in Redis."""

import os
import signal
from typing import Any

from celery import chord, shared_task, signals

from orchestrator import redis

ERRBACKS = "canvas:errbacks"


@signals.after_task_publish.connect(weak=False)
def _die_after_publishing(headers: Any = None, **_: Any) -> None:
    """Kill the process that has published one of these for the first time."""
    if headers["task"] == "canvas.survivor" and _is_first(f"canvas:died:{headers['id']}"):
        os.kill(os.getpid(), signal.SIGKILL)


@signals.before_task_publish.connect(weak=False)
def _die_before_publishing(headers: Any = None, **_: Any) -> None:
    """Kill the process that is about to publish one of these for the first time."""
    if headers["task"] == "canvas.orphan" and _is_first(f"canvas:died:{headers['id']}"):
        os.kill(os.getpid(), signal.SIGKILL)


def _is_first(key: str) -> bool:
    return bool(redis.client().set(key, 1, nx=True))


@shared_task(name="canvas.add")
def add(*numbers: int) -> int:
    return sum(numbers)


@shared_task(name="canvas.double")
def double(number: int) -> int:
    return 2 * number


@shared_task(name="canvas.total")
def total(parts: list[int]) -> int:
    return sum(parts)


@shared_task(name="canvas.note")
def note(value: Any, key: str) -> Any:
    redis.client().rpush(f"canvas:notes:{key}", str(value))
    return value


@shared_task(name="canvas.survivor")
def survivor(value: Any, key: str) -> Any:
    """Whoever publishes it first is killed right afterwards."""
    redis.client().rpush(f"canvas:notes:{key}", str(value))
    return value


@shared_task(name="canvas.orphan")
def orphan(parts: list[int]) -> int:
    """Whoever is about to publish it first is killed."""
    return sum(parts)


@shared_task(name="canvas.told")
def told(request: Any, exc: BaseException, traceback: Any) -> None:
    """Note the task that has failed; called where its failure is reported."""
    redis.client().hincrby(ERRBACKS, request.id, 1)


@shared_task(name="canvas.told_by_message")
def told_by_message(task_id: str) -> None:
    """The same, in the old style: called by a message."""
    redis.client().hincrby(ERRBACKS, task_id, 1)


@shared_task(name="canvas.request", bind=True)
def request(self: Any, *_: Any) -> dict[str, Any]:
    asked = self.request
    return {
        "tenant": asked.get("tenant"),
        "shadow": asked.shadow,
        "queue": asked.delivery_info["routing_key"],
        "priority": asked.delivery_info["priority"],
        "stamped": asked.stamped_headers,
        "stamps": asked.stamps,
    }


@shared_task(name="canvas.killed", max_retries=0)
def killed(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task(name="canvas.replaced", bind=True)
def replaced(self: Any, *numbers: int) -> Any:
    raise self.replace(add.s(*numbers))


@shared_task(name="canvas.replaced_by_chain", bind=True)
def replaced_by_chain(self: Any, number: int) -> Any:
    raise self.replace(add.s(number, 1) | double.s())


@shared_task(name="canvas.replaced_by_chord", bind=True)
def replaced_by_chord(self: Any, number: int) -> Any:
    raise self.replace(chord([add.s(number, 1), add.s(number, 2)], total.s()))


@shared_task(name="canvas.joined", bind=True)
def joined(self: Any, number: int) -> int:
    """Adds another member to the chord that it is a member of."""
    self.add_to_chord(add.s(number, 100))
    return number
