"""OmniNode's Task without its own retries: Celery's tests count runs of tasks that asked for none."""

from orchestrator.task import Task


class PlainTask(Task):
    """Fails at the first exception, as Celery's own tasks do."""

    abstract = True

    def _is_ours_to_retry(self, error: Exception) -> bool:
        return False
