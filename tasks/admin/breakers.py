"""The task that steers circuit breakers: from a program, by beat, or from wherever a task can be sent."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from orchestrator import redis, settings
from orchestrator.breaker import byhand, plain
from orchestrator.breaker.store import Store


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

    Returns the breaker's new state, as --json of the command has it. `name` is one name, and no pattern;
    `why` must say something; `seconds` is how long that holds; `who` is this task unless given; `create`
    allows for a name through which no call has been made yet.

    Raises:
        InvalidBreaker: the name is unknown, the action none, or nothing says why; nothing is changed, and the
            task is a dead letter.
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
    return plain.state(state)
