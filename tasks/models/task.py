"""The task `omninode.models.call`."""

from typing import Any

from celery import shared_task
from celery.signals import worker_init

from orchestrator.task import Task
from tasks.models import catalogue, local
from tasks.models.ask import ask


@shared_task(name="omninode.models.call", bind=True, base=Task, breaker=catalogue.dependency)
def call_model(
    self: Task,
    model: str,
    operation: str,
    input: Any,  # noqa: A002 (callers name it in their keyword arguments)
    options: dict[str, Any] | None = None,
) -> Any:
    """Call a model: `embed`, `similarity`, `rank`, `classify` or `chat`; the call is recorded in PostgreSQL.

    The inputs are described in `tasks.models.requests`, the outputs at `tasks.models.operations.perform`.
    Wrong input, an unknown model and a refusal fail at once; a server that is away, overloaded or out of its
    mind is asked again, not before its own `Retry-After` is over. While the circuit `model:<name>` of its
    server is open the call is set aside, and uses no attempt.
    """
    return ask(model, operation, input, options, task_id=self.request.id).output


@worker_init.connect(dispatch_uid="omninode-models")
def _load_before_fork(**_: Any) -> None:
    # The pool's processes share the pages of what their parent has loaded.
    local.preload()
