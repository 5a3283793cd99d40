"""What is changed about a dead task before it is replayed: its arguments, or its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from orchestrator.errors import InvalidArguments, InvalidEdit
from orchestrator.task import check_arguments

_EXAMPLE = '{"args": […], "kwargs": {…}, "task": "name"}'


@dataclass(frozen=True)
class Edit:
    """The new arguments and the new task; None, or '', where the letter's own stay."""

    args: list[Any] | None = None
    kwargs: dict[str, Any] | None = None
    task: str = ""

    @classmethod
    def from_json(cls, spelled: Any) -> Edit:
        """Read what `as_json` writes.

        Raises:
            InvalidEdit: it is no such object, or changes nothing.
        """
        if not isinstance(spelled, Mapping) or not spelled:
            raise InvalidEdit(f"an edit is an object such as {_EXAMPLE}, not {spelled!r:.80}")
        unknown = [name for name in spelled if name not in {"args", "kwargs", "task"}]
        if unknown:
            raise InvalidEdit(f"an edit has no key {unknown[0]!r:.80}: it is an object such as {_EXAMPLE}")
        args, kwargs, task = spelled.get("args"), spelled.get("kwargs"), spelled.get("task")
        if args is not None and not isinstance(args, list):
            raise InvalidEdit(f"args of an edit must be an array, not {args!r:.80}")
        if kwargs is not None and not isinstance(kwargs, dict):
            raise InvalidEdit(f"kwargs of an edit must be an object, not {kwargs!r:.80}")
        if task is not None and (not isinstance(task, str) or not task.strip()):
            raise InvalidEdit(f"task of an edit must be a task's name, not {task!r:.80}")
        if args is None and kwargs is None and task is None:
            raise InvalidEdit(f"this edit changes nothing: it is an object such as {_EXAMPLE}")
        return cls(args, kwargs, task or "")

    def as_json(self) -> dict[str, Any]:
        """What it changes."""
        named = {"args": self.args, "kwargs": self.kwargs, "task": self.task or None}
        return {name: value for name, value in named.items() if value is not None}


def check(tasks: Mapping[str, Any], task: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Hold the arguments against the signature of the task.

    Raises:
        InvalidEdit: they do not fit, or there is no such task.
    """
    if task not in tasks:
        close = get_close_matches(task, tasks, n=3)
        hint = f" (did you mean {' or '.join(close)}?)" if close else ""
        raise InvalidEdit(
            f"no task is called {task!r}{hint}: name the module that defines it in OMNINODE_IMPORTS, or say "
            "--foreign if another program has it"
        )
    try:
        check_arguments(tasks[task], args, kwargs)
    except InvalidArguments as error:
        raise InvalidEdit(str(error)) from None
