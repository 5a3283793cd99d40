"""The one error tree: a class's docstring says what happened and what the system does about it."""

from inspect import cleandoc


class OmniNodeError(Exception):
    """Something in OmniNode went wrong."""

    def __init__(self, detail: str = "") -> None:
        # Exceptions travel between a worker's processes by pickle, which calls the class with `args`.
        super().__init__(detail)
        self.detail = detail

    def __str__(self) -> str:
        """The given detail, or the first line of the class's docstring where there is none."""
        return self.detail or cleandoc(type(self).__doc__ or "").split("\n")[0]


class PermanentError(OmniNodeError):
    """An error that trying again cannot heal: the task fails at once, without a retry."""


class TransientError(OmniNodeError):
    """An error that may heal by itself: the task is tried again with exponential backoff.

    `retry_after_seconds` is what the other side asked for (its `Retry-After`), or None.
    """

    def __init__(self, detail: str = "", retry_after_seconds: float | None = None) -> None:
        super().__init__(detail)
        self.args = (detail, retry_after_seconds)
        self.retry_after_seconds = retry_after_seconds


class Wait(OmniNodeError):
    """The task cannot go on now: it is put back for `seconds`, and none of its attempts is used up."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the task waits for {seconds:g} s")
        self.args = (seconds,)
        self.seconds = seconds


class BreakerOpen(TransientError):
    """The circuit of a dependency is open: the call was not made; a task is set aside until it closes.

    `breaker` is its name; `retry_after_seconds` says when asking again may help.
    """

    def __init__(self, breaker: str, retry_after_seconds: float | None = None, detail: str = "") -> None:
        super().__init__(detail or f"the circuit of {breaker!r} is open", retry_after_seconds)
        self.args = (breaker, retry_after_seconds, detail)
        self.breaker = breaker


class InvalidBreaker(PermanentError, ValueError):
    """A breaker's name or its policy is none that there can be: nothing is protected by it."""


class InvalidRetryPolicy(PermanentError, ValueError):
    """What a task says of its retries makes no sense: the task is not registered."""


class InvalidDeadline(PermanentError, ValueError):
    """What was given as a task's deadline is none, or has passed: nothing is enqueued."""


class DeadlineExceeded(PermanentError):
    """The task's deadline is over, or would be before it could begin: it is not begun, or not tried again."""


class InvalidTimeout(PermanentError, ValueError):
    """A timeout is no length of time that there can be: the operation is not begun."""


class TimeoutExceeded(TransientError, TimeoutError):
    """An operation took longer than it may: it was told to stop, and a task is tried again.

    `operation` names the one whose time was over, which may be one that this call was made in;
    `limit_seconds` is what it was given, `elapsed_seconds` what it had taken.
    """

    def __init__(
        self, operation: str, limit_seconds: float, elapsed_seconds: float, detail: str = ""
    ) -> None:
        super().__init__(detail or f"{operation} took longer than {limit_seconds:g} s")
        self.args = (operation, limit_seconds, elapsed_seconds, detail)
        self.operation = operation
        self.limit_seconds = limit_seconds
        self.elapsed_seconds = elapsed_seconds


class InvalidMeasure(PermanentError, ValueError):
    """What was to be measured, or a monitor's argument, is none that there can be: nothing is recorded."""


class TooManyDeliveries(OmniNodeError):
    """The message came too often without an outcome: workers died of it, or it was rejected each time."""


class EnqueueInterrupted(TransientError):
    """Not all rows of a batch were accepted: repeat the call with the same batch_id."""


class OvertakenIndexer(OmniNodeError):
    """Another indexer has gone on from where this one was: nothing was written, and it begins there anew."""


class KafkaUnavailable(TransientError):
    """Kafka does not answer: try again when it does."""


class InvalidEvent(PermanentError, ValueError):
    """What was to be published is no event, or its topic or key is none: nothing was published."""


class EventRefused(PermanentError):
    """Kafka refuses the event for good: it is not tried again, and becomes a dead letter."""


class InvalidKafkaClient(PermanentError, ValueError):
    """A KafkaClient cannot be made with what it was given."""


class PostgresUnavailable(TransientError):
    """PostgreSQL gives no connection: try again when it does."""


class SettingsError(OmniNodeError):
    """Environment variables hold values that are not allowed: nothing is started."""


class InvalidArguments(PermanentError, TypeError):
    """The arguments do not fit the task's signature: the task fails at once, it is never tried again."""


class NotAQueue(OmniNodeError, ValueError):
    """What has this name in Redis is no queue's list; it is left alone."""


class InvalidHook(PermanentError, ValueError):
    """The hook is not `{"event", "payload"[, "source", "delivery_id"]}`: it is refused, not stored."""


class InvalidModelInput(PermanentError, ValueError):
    """The operation cannot work on this input: the call fails at once."""


class ModelNotConfigured(PermanentError, LookupError):
    """No model of that name is configured: add it to OMNINODE_MODELS."""


class ModelRefused(PermanentError):
    """The model's server refused the call for good (an HTTP 4xx): the call fails at once."""


class ModelUnavailable(TransientError):
    """The model's server did not answer, or asked to be left alone for a while: the call is tried again."""


class InvalidFilter(PermanentError, ValueError):
    """The filter of dead letters has a key or a value that there is not: nothing is looked for or changed."""


class UnknownLetter(PermanentError, LookupError):
    """No dead letter has this id, or several have what was given of it."""


class InvalidEdit(PermanentError, ValueError):
    """A dead letter cannot be replayed with this edit: nothing is replayed at all."""


class NotReplayable(PermanentError, ValueError):
    """No message can be made of a dead letter: it is left as it is, and the others are replayed."""


class UnknownOperation(PermanentError, LookupError):
    """No replay has this id."""


class ReplayInterrupted(TransientError):
    """Redis is away or full: what was claimed is enqueued when the replay is resumed, or by the relay."""


class UnknownAlert(PermanentError, LookupError):
    """No such alert is raised, or there is no such silence: nothing was changed."""


class AlertsAreBusy(TransientError):
    """The alert was changed by others again and again meanwhile: try it once more."""


class StackError(OmniNodeError):
    """The embedded stack could not be started or stopped."""


class SchemaError(OmniNodeError):
    """The schema of the database or of Redis is not what this release works with: nothing is started."""
