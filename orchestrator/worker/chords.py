"""A chord's body is sent although the process that was about to send it has died.

Celery's Redis backend gives the one process that returned the last part some seconds to send the body, and
asks nobody else to do it. So the message of a member that was tried before is not settled until somebody has.
"""

from __future__ import annotations

from typing import Any

from celery import states
from celery.backends.redis import RedisBackend


class BodyUnsent(Exception):
    """All parts are there, and another process has the body to send, if it lives: look again later."""


def see_to_body(backend: Any, request: Any) -> None:
    """Send the body of a chord whose parts have all returned, once whoever had to send it is out of time.

    Raises:
        BodyUnsent: it has not been sent, and somebody may be about to.
    """
    if _is_unsent(backend, request):
        # Of a part that is there already only the return counts, not the value.
        backend.on_chord_part_return(request, states.SUCCESS, None)
        if _is_unsent(backend, request):
            raise BodyUnsent(f"the body of the chord {request.group} has not been sent yet")


def _is_unsent(backend: Any, request: Any) -> bool:
    if not request.chord or not request.group or not isinstance(backend, RedisBackend):
        return False
    size, more, parts = (backend.get_key_for_group(request.group, suffix) for suffix in (".s", ".t", ".j"))
    with backend.client.pipeline() as pipeline:
        pipeline.get(size)
        pipeline.get(more)
        (pipeline.zcard if backend._chord_zset else pipeline.llen)(parts)  # noqa: SLF001
        wanted, added, returned = pipeline.execute()
    # With the body, and when it has failed, Celery deletes the size.
    if wanted is None or int(returned) < int(wanted) + int(added or 0):
        return False
    body_id = request.chord.get("options", {}).get("task_id")
    return not body_id or backend.get_state(body_id) == states.PENDING
