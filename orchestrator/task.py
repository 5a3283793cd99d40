"""The Task base class: arguments are checked, and what can heal is tried again with backoff."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, ClassVar

import celery
from celery import states
from celery.exceptions import Ignore, Reject, Retry, TaskPredicate
from kombu.exceptions import OperationalError

from orchestrator.errors import BreakerOpen, InvalidArguments, Wait
from orchestrator.retry import again
from orchestrator.retry.backoff import delay_seconds
from orchestrator.retry.healing import can_heal, retry_after_seconds
from orchestrator.retry.policy import OWN, Policies, RetryPolicy, check, chosen
from orchestrator.timeouts import given, published
from orchestrator.timeouts.given import Given
from orchestrator.worker import guarding, in_time
from orchestrator.worker.unstored import SteadyBackend, guarded, steady

# While a retry is worked out: what it would publish is held instead.
_holding: ContextVar[bool] = ContextVar("omninode_holding", default=False)


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
    itself gets Celery's own behaviour instead. While the circuit of its `breaker` is open, or of another one
    that it calls, it is set aside, which uses no attempt.
    """

    abstract = True
    Request = "orchestrator.worker.request:Request"
    # The breaker of what it depends on: a name, or a function of its arguments, which returns one, or "".
    breaker: str | Callable[..., str | None] | None = None
    # Within how many seconds of its enqueue it must be over with all its attempts, unless a caller says it.
    deadline: ClassVar[float | timedelta | None] = None
    # A message is settled once its outcome is known; acknowledging it earlier would lose it with its process.
    acks_late = True
    reject_on_worker_lost = True
    acks_on_failure = True
    acks_on_timeout = True
    # It is the system's own word, not the task's failure.
    dont_autoretry_for = (Wait, BreakerOpen)
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
    # What is different after an exception of a class, or of one derived from it: the nearest one counts.
    retry_policies: ClassVar[Policies] = {}
    # Whether retries that practically never help are given up; None: what OMNINODE_LEARN_RETRIES says.
    learn_retries: ClassVar[bool | None] = None
    random: ClassVar[Random] = Random()  # noqa: S311 (jitter is no secret)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task; called by a worker, decide what an exception means."""
        request: Any = self.request
        if request.called_directly or request._protected:  # noqa: SLF001
            return super().__call__(*args, **kwargs)
        # Celery's own mark that the request on the stack is taken: a task may call itself directly.
        request._protected = 1  # noqa: SLF001
        left_seconds = in_time.begin(request)
        check_arguments(self, args, kwargs)
        try:
            returned = guarding.run(self, args, kwargs)
        except (Wait, BreakerOpen) as later:
            if request.is_eager and isinstance(later, BreakerOpen):
                raise
            raise again.later(later) from later
        except Ignore as ignored:
            self._return_part_of_chord(ignored)
            raise
        except Reject:
            raise
        except Retry as asked:
            # Formatting a traceback costs more than the rest of a retry. One without a cause says nothing.
            raise asked if asked.__context__ else asked.with_traceback(None)  # noqa: B904
        except Exception as error:
            self._fail(error, in_time.meaning(self, error, left_seconds))
            raise
        if pending := vars(request).get("omninode_asked"):
            # It called retry(throw=False), and went on to return.
            raise pending
        # From here on what fails is not the task.
        request.omninode_returned = True
        return returned

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse a deadline that makes no sense, before Celery has registered the task.

        Raises:
            InvalidDeadline: naming the task.
        """
        super().__init_subclass__(**options)
        given.check(str(cls.name or cls.__qualname__), cls.deadline)

    @classmethod
    def on_bound(cls, app: celery.Celery) -> None:
        """Refuse what makes no sense; hold the promise also for a task that asks for early ack.

        Raises:
            InvalidRetryPolicy: of its retries.
        """
        check(str(cls.name), {name: getattr(cls, name) for name in OWN}, cls.retry_policies)
        super().on_bound(app)
        cls.acks_late = True

    @property
    def __trace__(self) -> Any:
        """What runs the task inside a worker; set by Celery."""
        return vars(self).get("_tracer")

    @__trace__.setter
    def __trace__(self, tracer: Any) -> None:
        # This is done in workers alone: there hooks that fail are logged, and do not hide the outcome.
        vars(self)["_tracer"] = tracer and steady(tracer)
        for hook in ("on_failure", "on_retry"):
            vars(self)[hook] = guarded(getattr(self, hook))

    @property
    def backend(self) -> Any:
        """The result backend; inside a worker one whose absence is no failure of the task."""
        backend = super().backend
        in_worker = getattr(self.request, "omninode_unstored", None) is not None
        return SteadyBackend(backend) if in_worker else backend

    @backend.setter
    def backend(self, value: Any) -> None:
        celery.Task.backend.fset(self, value)  # type: ignore[attr-defined]

    def retry(  # noqa: PLR0917 (Celery's)
        self,
        args: Any = None,
        kwargs: Any = None,
        exc: Any = None,
        throw: bool = True,  # noqa: FBT001, FBT002 (Celery's)
        eta: datetime | None = None,
        countdown: float | None = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> Any:
        """Try again, as Celery's `retry`: the same message is put back when this attempt is settled.

        Options that make another message of it (a serializer, an exchange, links) publish one, as in Celery.

        Raises:
            SetAside: a circuit is open, and nothing is to be changed: no attempt is used.
            PutBack: always in a worker, unless `throw` is false: then it is returned, and raised at the end.
            MaxRetriesExceededError: or `exc`, when the retries are used up.
        """
        request: Any = self.request
        if request.called_directly or request.is_eager or not again.can_put_back(request, options):
            return self._publish_retry(args, kwargs, exc, throw, eta, countdown, max_retries, options)
        if throw and args is None and kwargs is None and not options:
            self._set_aside_instead(exc, max_retries)
        token = _holding.set(True)
        try:
            asked = self._ask(args, kwargs, exc, False, eta, countdown, max_retries, **options)
        finally:
            _holding.reset(token)
        put_back = again.put_back(asked, request, self, changed=args is not None or kwargs is not None)
        if throw:
            raise put_back
        request.omninode_asked = put_back
        return put_back

    def signature_from_request(  # type: ignore[override]
        self, request: Any = None, args: Any = None, kwargs: Any = None, **options: Any
    ) -> Any:
        """The signature of the next attempt; while a retry is worked out, one that publishes nothing."""
        if _holding.get():
            request = self.request if request is None else request
            return again.Held(
                request.args if args is None else args, request.kwargs if kwargs is None else kwargs, options
            )
        made = super().signature_from_request(request, args, kwargs, **options)
        return in_time.keep(made, self.request if request is None else request)

    def _set_aside_instead(self, error: Any, max_retries: int | None) -> None:
        """Raise what sets it aside if a circuit is open: an attempt would be wasted."""
        most = self.max_retries if max_retries is None else max_retries
        tries_left = most is None or self.request.retries < most
        if aside := guarding.instead_of_retry(self.request, error, tries_left):
            raise aside from error

    def _publish_retry(self, args: Any, kwargs: Any, exc: Any, throw: bool, *rest: Any) -> Any:  # noqa: FBT001
        eta, countdown, max_retries, options = rest
        try:
            return self._ask(args, kwargs, exc, throw, eta, countdown, max_retries, **options)
        except Reject as rejected:
            # Celery would drop the message without a word: a broker that is away, or full, keeps it instead.
            reason = rejected.args[0]
            if isinstance(reason, OperationalError):
                raise Reject(reason, requeue=True) from exc
            raise

    def _ask(self, *arguments: Any, **options: Any) -> Any:
        """Celery's `retry`; what it raises when its retries are used up is marked, and tried no further."""
        try:
            return super().retry(*arguments, **options)
        except TaskPredicate:
            raise
        except Exception as error:
            with suppress(AttributeError):
                setattr(error, again.GIVEN_UP, True)
            raise

    def replace(self, sig: Any) -> Any:
        """Replace this task by another one, which returns its part of a chord, and inherits its deadline."""
        request: Any = self.request
        request.omninode_replaced = True
        if request.is_eager:
            return super().replace(sig)
        with published.following(request):
            return super().replace(sig)

    def apply(self, *args: Any, deadline: Given | None = None, headers: Any = None, **options: Any) -> Any:
        """Run it here and now, as Celery's; it has a deadline as in a worker, but nothing is killed at it.

        Raises:
            InvalidDeadline: there is no such deadline, or it has passed.
        """
        carried = in_time.eager(self, deadline, headers)
        with published.of_canvas(None):
            return super().apply(*args, **{**options, "headers": carried})

    def _return_part_of_chord(self, ignored: Ignore) -> None:
        """A member that is ignored returns None: Celery would let the chord wait for ever."""
        request: Any = self.request
        if isinstance(ignored, again.SetAside):
            return
        if request.chord and not vars(request).get("omninode_replaced"):
            self.backend.on_chord_part_return(request, states.SUCCESS, None)

    def _fail(self, raised: Exception, error: Exception) -> None:
        """Raise what becomes of a failure; return if that is what was raised."""
        if self._is_ours_to_retry(error):
            self._retry(error)
        if error is not raised:
            raise error from raised

    def _retry(self, error: Exception) -> None:
        """Raise what puts the message back; return if there can be no further attempt."""
        own = RetryPolicy(self.retry_base_seconds, self.retry_cap_seconds, self.max_retries)
        policy = chosen(self.retry_policies, error, own)
        self.retry(exc=error, countdown=self._pause_seconds(error, policy), max_retries=policy.max_retries)

    def _is_ours_to_retry(self, error: Exception) -> bool:
        if getattr(self, "autoretry_for", ()) or getattr(error, again.GIVEN_UP, False):
            return False
        return can_heal(error)

    def _pause_seconds(self, error: Exception, policy: RetryPolicy) -> float:
        base_seconds, cap_seconds = policy.base_seconds or 0.0, policy.cap_seconds or 0.0
        backoff = delay_seconds(self.request.retries, base_seconds, cap_seconds, self.random)
        return max(backoff, retry_after_seconds(error, datetime.now(UTC)) or 0.0)
