"""What a handler works with: the hook's transaction, and tasks that leave only when it is committed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import celery
from celery import Signature, current_app
from psycopg import Connection
from psycopg.rows import TupleRow

from orchestrator.errors import InvalidArguments
from orchestrator.task import check_arguments
from tasks.hooks.options import check_options

TaskLike = str | celery.Task[Any, Any] | Signature[Any]


@dataclass(frozen=True, slots=True)
class StagedTask:
    """A task that is written to the database with the hook and sent after it; JSON but for the names."""

    id: str
    task: str
    args: str
    kwargs: str
    options: str


class Hook:
    """One hook's work in progress.

    What is written through `connection` is committed together with the hook, or not at all: a handler does
    not commit, and wraps what may fail into `with hook.connection.transaction():`. All else that it does is
    done again when the hook is tried again, so tasks are the place for it.
    """

    def __init__(self, connection: Connection[TupleRow]) -> None:
        self.connection = connection
        self.staged: list[StagedTask] = []

    def enqueue(self, task: TaskLike, *args: Any, **kwargs: Any) -> str:
        """Enqueue a task, a signature or a task's name when the hook is committed; returns the task's id.

        Raises:
            InvalidArguments: the arguments are not JSON, or do not fit the task's signature.
        """
        return self.enqueue_with(task, args, kwargs)

    def enqueue_with(
        self,
        task: TaskLike,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> str:
        """`enqueue` with options: `countdown`, `expires`, `queue` and the others of `tasks.hooks.options`.

        Seconds count from the moment of sending, right after the commit.

        Raises:
            InvalidArguments: as for `enqueue`, or an option is not allowed.
        """
        name, args, kwargs, options = _resolve(task, tuple(args), dict(kwargs or {}), options)
        check_options(options)
        registered = current_app.tasks.get(name)
        if registered is not None:
            check_arguments(registered, args, kwargs)
        staged = StagedTask(
            str(uuid4()), name, _json(name, list(args)), _json(name, kwargs), _json(name, options)
        )
        self.staged.append(staged)
        return staged.id


def _resolve(
    task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]
) -> tuple[str, tuple[Any, ...], dict[str, Any], dict[str, Any]]:
    if isinstance(task, str) and task.strip():
        return task, args, kwargs, options
    if isinstance(task, celery.Task):
        return str(task.name), args, kwargs, options
    if type(task) is Signature:
        merged = task.clone(args, kwargs, **options)
        return str(merged.task), tuple(merged.args), dict(merged.kwargs), dict(merged.options)
    raise InvalidArguments(
        f"a hook enqueues a task, a signature of one task or a task's name; found {task!r} "
        "(a chain, group or chord: enqueue a task that starts it)"
    )


def _json(name: str, value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArguments(f"the arguments of {name} must be JSON: {error}") from None
