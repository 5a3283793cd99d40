"""The Celery app under test: an OmniNode app, or a plain one with a dead-letter list as people build it."""

import faulthandler
import os
import time
from typing import Any
from uuid import uuid4

from celery import Celery
from celery.exceptions import Reject, SoftTimeLimitExceeded, TimeLimitExceeded, WorkerLostError
from celery.signals import task_failure, task_rejected, task_revoked, task_unknown, worker_init
from redis import Redis

from orchestrator.install import install
from tests.chaos.transport.conditions import STACKS_SIGNAL, VISIBILITY_SECONDS, Conditions

OUTBOX = "omninode:outbox"


def build(conditions: Conditions) -> Celery:
    """The app that the environment asks for; it has no tasks yet. A signal has it say where it is."""
    faulthandler.register(STACKS_SIGNAL, all_threads=True)
    return _stock(conditions) if conditions.stock else _omninode()


def _omninode() -> Celery:
    app = install(Celery("chaos"))
    # No task of the run needs PostgreSQL or OmniNode's own tasks.
    worker_init.disconnect(dispatch_uid="omninode-worker")
    app.conf.include = []
    app.conf.beat_schedule = {}
    return app


def _stock(conditions: Conditions) -> Celery:
    """Celery with every switch on that promises to keep messages."""
    app = Celery("chaos", broker=os.environ["CELERY_BROKER_URL"], backend=conditions.results_url)
    app.conf.update(
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_SECONDS,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            "socket_timeout": 10.0,
            "socket_keepalive": True,
        },
        task_acks_late=True,
        task_reject_on_worker_lost=True,
    )
    _bury_by_signals(conditions.results_url)
    return app


# Signals call their receivers weakly.
_receivers: list[Any] = []


def _bury_by_signals(url: str) -> None:
    """Write a letter whenever Celery tells of a failure, to the Redis that no fault touches."""
    client = Redis.from_url(url)

    def bury(reason: str, task_id: str) -> None:
        client.xadd(OUTBOX, {"id": uuid4().hex, "reason": reason, "task_id": task_id, "at": time.time()})

    def failed(task_id: str = "", exception: object = None, **_: Any) -> None:
        reasons = {
            SoftTimeLimitExceeded: "soft_timeout",
            TimeLimitExceeded: "hard_timeout",
            WorkerLostError: "worker_lost",
            Reject: "rejected",
        }
        bury(
            next((name for each, name in reasons.items() if isinstance(exception, each)), "exception"),
            task_id,
        )

    def expired(request: Any = None, expired: bool = False, **_: Any) -> None:  # noqa: FBT001, FBT002
        if expired:
            bury("expired", request.id)

    def unknown(id: str = "", **_: Any) -> None:  # noqa: A002 (Celery's own name)
        bury("unknown_task", id)

    def rejected(message: Any = None, **_: Any) -> None:
        bury("invalid", str((message.headers or {}).get("id") or ""))

    for signal, receiver in (
        (task_failure, failed),
        (task_revoked, expired),
        (task_unknown, unknown),
        (task_rejected, rejected),
    ):
        _receivers.append(receiver)
        signal.connect(receiver)
