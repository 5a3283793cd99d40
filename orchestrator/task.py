"""The Task base class: arguments are checked, and what can heal is tried again with backoff."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any, ClassVar

import celery
from celery.exceptions import Ignore, Reject, Retry
from kombu.exceptions import OperationalError

from orchestrator.errors import InvalidArguments
from orchestrator.retry.backoff import delay_seconds
from orchestrator.retry.healing import can_heal, retry_after_seconds


def check_arguments(task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Hold the arguments against the task's signature, as Celery's producers do.

    Raises:
        InvalidArguments: they do not fit.
    """
    if not task.typing:
        return
    try:
        task.__header__(*args, **kwargs)
    except TypeError as error:
        raise InvalidArguments(f"{task.name}: {error}") from None


class Task(celery.Task):  # type: ignore[type-arg]
    """A task of an app that `install` was called on.

    An exception that can heal is tried again at most `max_retries` times, after exponential backoff with
    full jitter or after what the other side asked for, whichever is longer. A task that names `autoretry_for`
    itself gets Celery's own behaviour instead.
    """

    abstract = True
    # A limit that neither the task nor the caller chose is the worker's to set: Celery would send the
    # producer's along, and a producer in another environment would decide for the worker.
    from_config = tuple(pair for pair in celery.Task.from_config if not pair[0].endswith("time_limit"))
    max_retries: int | None = 3
    # How much of a result stands in logs and in Flower: an embedding has hundreds of numbers.
    resultrepr_maxsize = 120
    # Celery's own pause before it repeats an attempt whose process was killed.
    default_retry_delay = 1
    retry_base_seconds: ClassVar[float] = 1.0
    retry_cap_seconds: ClassVar[float] = 30.0
    random: ClassVar[Random] = Random()  # noqa: S311 (jitter is no secret)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task; called by a worker, decide what an exception means."""
        request: Any = self.request
        if request.called_directly or request._protected:  # noqa: SLF001
            return super().__call__(*args, **kwargs)
        # Celery's own mark that the request on the stack is taken: a task may call itself directly.
        request._protected = 1  # noqa: SLF001
        check_arguments(self, args, kwargs)
        try:
            return self.run(*args, **kwargs)
        except (Ignore, Reject, Retry):
            raise
        except Exception as error:
            if self._is_ours_to_retry(error):
                self._retry(error)
            raise

    def _retry(self, error: Exception) -> None:
        """Publish the next attempt and raise what tells Celery so; return if there can be none."""
        try:
            self.retry(exc=error, countdown=self._pause_seconds(error))
        except Reject as rejected:
            # Celery would drop the message without a word. A broker that is away, or full, keeps it; a retry
            # that cannot be published for another reason leaves the task with the error that it failed with.
            reason = rejected.args[0]
            if isinstance(reason, OperationalError):
                raise Reject(reason, requeue=True) from error

    def _is_ours_to_retry(self, error: Exception) -> bool:
        return not getattr(self, "autoretry_for", ()) and can_heal(error)

    def _pause_seconds(self, error: Exception) -> float:
        backoff = delay_seconds(
            self.request.retries, self.retry_base_seconds, self.retry_cap_seconds, self.random
        )
        return max(backoff, retry_after_seconds(error, datetime.now(UTC)) or 0.0)
