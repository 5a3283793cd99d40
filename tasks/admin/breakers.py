"""The task that steers circuit breakers: from a program, by beat, or from wherever a task can be sent."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from celery import shared_task

from orchestrator import redis, settings
from orchestrator.breaker import byhand
from orchestrator.breaker.store import Store
from orchestrator.breaker.words import word


@shared_task(name="omninode.admin.control_breaker", bind=True)
def control_breaker(  # noqa: PLR0917 (as a caller writes them)
    self: Any,
    name: str,
    action: str,
    why: str = "",
    seconds: float | None = None,
    who: str | None = None,
    *,
    create: bool = False,
) -> dict[str, Any]:
    """Do what `omninode breakers` does: `action` is open, close, isolate, disable, shadow or reset.

    Returns the breaker's new state. `seconds` is how long that holds; `who` is this task unless given;
    `create` allows for a name that no process has used yet.

    Raises:
        InvalidBreaker: the name is unknown, or the action none; nothing is changed.
    """
    chosen = settings.current()
    (state,) = byhand.control(
        Store(redis.client(), chosen.key_prefix),
        [name],
        action,
        who=f"task {self.request.id}" if who is None else who,
        why=why,
        seconds=seconds,
        create=create,
    )
    return asdict(state) | {"word": word(state)}
