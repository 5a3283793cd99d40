"""A user's module (OMNINODE_IMPORTS): handlers that do what handlers may do, and some that misbehave."""

import os
import signal
import time
from pathlib import Path
from threading import Event
from typing import Any

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import before_task_publish

from orchestrator import redis
from orchestrator.errors import PermanentError
from tasks.hooks import Hook, HookEvent, on

# A process that is about to send a task dies instead, once: the file says that it has happened.
DIE_ONCE = "HOOK_TEST_DIE_ONCE"


@before_task_publish.connect
def _die_once(sender: str | None = None, **_: Any) -> None:
    said = Path(os.environ.get(DIE_ONCE, "/dev/null"))
    if sender == note.name and not said.exists():
        said.touch()
        os.kill(os.getpid(), signal.SIGKILL)


@shared_task(name="hooktest.note", bind=True)
def note(self: Any, delivery_id: str) -> None:
    """Note that the task of this delivery ran."""
    redis.client().rpush(f"noted:{delivery_id}", self.request.id)


@on("test.note")
def enqueue_note(event: HookEvent, hook: Hook) -> None:
    hook.enqueue(note, event.id)


@on("test.refuse")
def refuse(event: HookEvent, _hook: Hook) -> None:
    raise PermanentError(f"no use for {event.id}")


@on("test.hang")
def hang(_event: HookEvent, _hook: Hook) -> None:
    """Does not listen to the soft limit."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            Event().wait(60)
        except SoftTimeLimitExceeded:
            continue
