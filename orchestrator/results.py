"""Where results are: Celery's Redis backends, which hold up no producer and forget no chord."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from celery._state import task_join_will_block  # type: ignore[attr-defined]
from celery.backends import redis as stock

from orchestrator.timeouts import published

# Another thread that waits for a result may be busy connecting again.
_LOCK_SECONDS = 0.5

BACKENDS = {
    "redis": "orchestrator.results:RedisBackend",
    "rediss": "orchestrator.results:RedisBackend",
    "sentinel": "orchestrator.results:SentinelBackend",
}


class _Hurry(threading.local):
    """Whether this thread must not wait for Redis to come back."""

    on = False


class Subscriber(stock.ResultConsumer):  # type: ignore[misc,name-defined]
    """Hears of results by subscription.

    Who waits for a result tries for 20 seconds to reach Redis, as in Celery; who does not wait tries once.
    """

    _pubsub: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._hurry = _Hurry()
        super().__init__(*args, **kwargs)

    def expect(self, task_id: str) -> None:
        """Subscribe to the result of a task that is about to be sent, where that works at once.

        Whoever waits for the result subscribes anyway, and publishing has a better error for a Redis that is
        away.
        """
        if not self._pubsub_lock.acquire(timeout=_LOCK_SECONDS):
            return
        try:
            with self._in_a_hurry(), self._locked(), self.reconnect_on_error():
                self._subscribe(self._get_key_for_task(task_id))
        finally:
            self._pubsub_lock.release()

    def cancel_for(self, task_id: str) -> None:
        """Nobody waits for this result any more: as a rule it is the garbage collector that says so."""
        if sys.is_finalizing():
            # The connection goes with the process, and half of what is needed to close it has gone already.
            return
        with self._in_a_hurry():
            super().cancel_for(task_id)

    @contextmanager
    def reconnect_on_error(self) -> Iterator[None]:
        """Connect again when the connection is lost, and give up at once in a hurry."""
        if self._hurry.on:
            with suppress(*self._connection_errors):
                yield
        else:
            with super().reconnect_on_error():
                yield

    @contextmanager
    def _in_a_hurry(self) -> Iterator[None]:
        before, self._hurry.on = self._hurry.on, True
        try:
            yield
        finally:
            self._hurry.on = before

    def _subscribe(self, key: str) -> None:
        if self._pubsub is None:
            if self.subscribed_to:
                # Others wait, and are being subscribed again.
                return
            self._pubsub = self.backend.client.pubsub(ignore_subscribe_messages=True)
        self._pending_unsubscribe.discard(key)
        if key not in self.subscribed_to:
            self._pubsub.subscribe(key)
            self.subscribed_to.add(key)


class _Prompt:
    """A backend that lets tasks be sent without waiting for it."""

    ResultConsumer = Subscriber
    result_consumer: Subscriber

    def on_task_call(self, producer: Any, task_id: str) -> None:  # noqa: ARG002
        """A task with this id is about to be sent."""
        if not task_join_will_block():
            self.result_consumer.expect(task_id)


class _Faithful:
    """A backend that forgets a chord's parts once its body was sent, and not before."""

    client: Any

    def on_chord_part_return(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Count a part; the body, which the last one publishes, inherits the deadline of that one."""
        with published.returning_part(request):
            return super().on_chord_part_return(request, *args, **kwargs)  # type: ignore[misc]

    @cached_property
    def _chord_cleanup_script(self) -> Callable[..., Any]:
        clean = self.client.register_script(stock.CHORD_CLEANUP_LUA)  # type: ignore[attr-defined]

        def clean_up(**given: Any) -> Any:
            raised = sys.exc_info()[1]
            if raised is not None and not isinstance(raised, Exception):
                # The process was told to end while it was sending the body. Celery, which comes by here in a
                # `finally`, would take that for sent: who finds the parts sends it later.
                return True
            return clean(**given)

        return clean_up


class RedisBackend(_Prompt, _Faithful, stock.RedisBackend):  # type: ignore[misc]
    """Results in Redis."""


class SentinelBackend(_Prompt, _Faithful, stock.SentinelBackend):  # type: ignore[misc]
    """Results in a Redis that is found through Sentinel."""
