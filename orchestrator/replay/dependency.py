"""Which breaker the replay of a letter depends on, as far as that is known before its message is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.deadletter.death import Death
from orchestrator.replay.edit import Edit
from orchestrator.stamp import BREAKER, dependency, is_name


def of(death: Death, edit: Edit | None, tasks: Mapping[str, Any] | None) -> str:
    """Its breaker's name, from its header or from its task; "" where it has none, or nobody can say yet.

    `tasks` are those that are known here. Where arguments decide that nobody has read, it is the worker that
    sets the task aside.
    """
    stamped = death.headers.get(BREAKER)
    if edit is None and is_name(stamped):
        return str(stamped)
    task = (tasks or {}).get((edit.task if edit else "") or death.task)
    if not callable(getattr(task, "breaker", None)):
        return dependency(task, (), {})
    if edit is None or edit.args is None or edit.kwargs is None:
        return ""
    return dependency(task, edit.args, edit.kwargs)
