"""Time limits that are changed at run time count for every task that is received from then on."""

from __future__ import annotations

from typing import Any

from celery.worker.control import Panel

_COMMAND = "time_limit"


def register() -> None:
    """Have `control time_limit` do what it says.

    Celery notes the new limits on the task, but what makes its requests has kept the old ones from the start.
    """
    change = Panel.data[_COMMAND]
    if getattr(change, "renews", False):
        return

    def renewing(state: Any, task_name: str | None = None, *args: Any, **kwargs: Any) -> Any:
        answer = change(state, task_name, *args, **kwargs)
        if "ok" in answer:
            strategies = state.consumer.strategies
            strategies[task_name] = state.app.tasks[task_name].start_strategy(state.app, state.consumer)
        return answer

    renewing.renews = True  # type: ignore[attr-defined]
    renewing.__doc__ = change.__doc__
    Panel.data[_COMMAND] = renewing
