"""The task `omninode.models.call`."""

from typing import Any

from celery import Task, shared_task
from celery.signals import worker_init

from tasks.models import local
from tasks.models.ask import ask


@shared_task(name="omninode.models.call", bind=True)
def call_model(
    self: "Task[..., Any]",
    model: str,
    operation: str,
    input: Any,  # noqa: A002 (callers name it in their keyword arguments)
    options: dict[str, Any] | None = None,
) -> Any:
    """Call a model: `embed`, `similarity`, `rank`, `classify` or `chat`; the call is recorded in PostgreSQL.

    The inputs are described in `tasks.models.requests`, the outputs at `tasks.models.operations.perform`.
    Wrong input, an unknown model and a refusal fail at once; a server that is away, overloaded or out of its
    mind is asked again, not before its own `Retry-After` is over.
    """
    return ask(model, operation, input, options, task_id=self.request.id).output


@worker_init.connect(dispatch_uid="omninode-models")
def _load_before_fork(**_: Any) -> None:
    # The pool's processes share the pages of what their parent has loaded.
    local.preload()
