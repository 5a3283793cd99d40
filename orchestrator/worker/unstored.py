"""A result backend that is away makes no failure of a success: the main process stores the outcome later."""

from __future__ import annotations

from typing import Any

import structlog
from billiard.einfo import ExceptionInfo
from celery.app.trace import TraceInfo, trace_ok_t
from celery.backends.base import Backend
from celery.exceptions import Reject
from celery.states import FAILURE, IGNORED, SUCCESS
from kombu.exceptions import EncodeError, InconsistencyError, OperationalError

from orchestrator.retry.again import PutBack
from orchestrator.retry.backoff import ceiling_seconds
from orchestrator.timeouts import published
from orchestrator.worker.portable import portable

_LOG = structlog.get_logger(__name__)

# On a hook: it was wrapped already.
_GUARDED = "omninode_guarded"
# In a message's headers: how often its task has returned, and its links could not be published.
UNSENT = "omninode-unsent"
# The transport's own, where its options name none.
_MAX_DELIVERIES = 8
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 60.0


class Unstored(Exception):
    """An outcome that could not be stored where the task ran.

    `state` is SUCCESS, FAILURE, or IGNORED for a member of a chord whose part could not be returned; `result`
    is what the task returned, `error` what it raised.
    """

    def __init__(self, state: str, result: Any, error: BaseException | None, traceback: str) -> None:
        super().__init__(state, result, error, traceback)
        self.state = state
        self.result = result
        self.error = error
        self.traceback = traceback


class Unsent(Reject):
    """The task has returned, but its links could not be published yet: it has not failed, it will run again.

    It is a Reject because Celery lets nothing else through to whoever called the tracer.
    """


class SteadyBackend:
    """Celery's result backend; what cannot be stored is kept on the request instead of raised."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        """Everything else is the backend's."""
        return getattr(self._backend, name)

    def mark_as_done(self, task_id: str, result: Any, request: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Store a success; an unserialisable result is the task's own failure, and raised."""
        try:
            return self._backend.mark_as_done(task_id, result, request, *args, **kwargs)
        except EncodeError:
            raise
        except Exception as error:
            return _keep(request, Unstored(SUCCESS, result, None, ""), error)

    def mark_as_failure(
        self, task_id: str, exc: BaseException, traceback: Any = None, request: Any = None, **kwargs: Any
    ) -> Any:
        """Store a failure, call errbacks, tell the chord."""
        if getattr(request, "omninode_returned", False) and self._may_be_sent_later(exc, request):
            raise Unsent from exc
        try:
            with published.forgiving():
                return self._backend.mark_as_failure(task_id, exc, traceback, request=request, **kwargs)
        except Exception as error:
            return _keep(request, Unstored(FAILURE, None, exc, str(traceback or "")), error)

    def on_chord_part_return(self, request: Any, state: str, result: Any, **kwargs: Any) -> Any:
        """Return the part of a member that is ignored."""
        try:
            return self._backend.on_chord_part_return(request, state, result, **kwargs)
        except Exception as error:
            return _keep(request, Unstored(IGNORED, result, None, ""), error)

    def mark_as_retry(self, *args: Any, **kwargs: Any) -> Any:
        """Store that it will be tried again: nice to know, but nothing rests on it."""
        try:
            return self._backend.mark_as_retry(*args, **kwargs)
        except Exception as error:
            _LOG.warning("state_not_stored", error=str(error))

    def store_result(self, *args: Any, **kwargs: Any) -> Any:
        """Store an intermediate state such as STARTED, likewise."""
        try:
            return self._backend.store_result(*args, **kwargs)
        except EncodeError:
            raise
        except Exception as error:
            _LOG.warning("state_not_stored", error=str(error))

    def _may_be_sent_later(self, error: BaseException, request: Any) -> bool:
        """A broker that is away comes back; a binding that is missing does not, nor what failed so often."""
        if not isinstance(error, OperationalError) or isinstance(error.__cause__, InconsistencyError):
            return False
        most = self._backend.app.conf.broker_transport_options.get("max_deliveries", _MAX_DELIVERIES)
        return _unsent(vars(request)) + 1 < int(most)


def steady(tracer: Any) -> Any:
    """Wrap a task's tracer: an outcome that was kept is what the main process hears."""

    def trace(uuid: str, args: Any, kwargs: Any, request: dict[str, Any]) -> Any:
        kept: list[Unstored] = []
        request["omninode_unstored"] = kept
        try:
            outcome = tracer(uuid, args, kwargs, request)
        except Unsent as error:
            _LOG.warning("links_not_sent", task_id=uuid, error=str(error.__cause__))
            return _told(_later(_unsent(request), str(error.__cause__)), None)
        return _told(kept[0], outcome.runtime) if kept else outcome

    return trace


def _unsent(request: dict[str, Any]) -> int:
    times = request.get(UNSENT)
    return times if isinstance(times, int) else 0


def _later(times: int, why: str) -> PutBack:
    """The same attempt again, after a pause that grows with the times that this was in vain."""
    pause_seconds = ceiling_seconds(times, _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
    return PutBack(exc=OperationalError(why), delay_seconds=pause_seconds, headers={UNSENT: times + 1})


def _told(word: Exception, runtime: float | None) -> Any:
    """What the main process hears instead of Celery's outcome."""
    try:
        raise word
    except type(word):
        return trace_ok_t(ExceptionInfo(), TraceInfo(IGNORED), runtime, None)


def guarded(hook: Any) -> Any:
    """A task's hook whose own failure is logged, and does not take the place of the outcome."""
    if getattr(hook, _GUARDED, False):
        return hook

    def call(*args: Any, **kwargs: Any) -> None:
        try:
            hook(*args, **kwargs)
        except Exception:
            _LOG.exception("hook_failed", hook=getattr(hook, "__qualname__", str(hook)))

    setattr(call, _GUARDED, True)
    return call


def _keep(request: Any, unstored: Unstored, error: Exception) -> None:
    kept = getattr(request, "omninode_unstored", None)
    if kept is None:
        raise error
    if isinstance(unstored.error, Exception):
        unstored.error = portable(unstored.error)
    kept.append(unstored)
    _LOG.warning("outcome_not_stored", state=unstored.state, error=str(error))
