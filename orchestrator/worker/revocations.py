"""Revocations outlive workers: whoever revokes keeps them in Redis, and every worker that hears of it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import structlog
from celery.app.control import Control as CeleryControl
from celery.utils.functional import maybe_list
from celery.worker import state
from celery.worker.control import Panel
from redis.exceptions import RedisError

from orchestrator import keys
from orchestrator.worker import reporter

_LOG = structlog.get_logger(__name__)

# A task that is due later than this after it was revoked runs.
_KEPT_SECONDS = 31 * keys.DAY_SECONDS
_COMMAND = "revoke"


class Control(CeleryControl):
    """Celery's remote control; what is revoked while no worker runs is not forgotten."""

    def revoke(self, task_id: Any, *args: Any, **kwargs: Any) -> Any:
        """Keep the revocation in Redis, then tell the workers."""
        with self.app.connection_for_write() as connection:
            keep(connection.default_channel, maybe_list(task_id) or [])
        return super().revoke(task_id, *args, **kwargs)


def register() -> None:
    """Have this worker keep what it is told to revoke, whoever told it, as long as Redis does."""
    # Celery forgets after three hours, as soon as another worker starts and asks.
    state.revoked.expires = max(state.revoked.expires, _KEPT_SECONDS)
    revoke = Panel.data[_COMMAND]
    if getattr(revoke, "keeps", False):
        return

    def keeping(controlled: Any, task_id: Any, *args: Any, **kwargs: Any) -> Any:
        answer = revoke(controlled, task_id, *args, **kwargs)
        channel = controlled.consumer.task_consumer.channel
        reporter.current().report(lambda: keep(channel, maybe_list(task_id) or []), lambda: None)
        return answer

    keeping.keeps = True  # type: ignore[attr-defined]
    keeping.__doc__ = revoke.__doc__
    Panel.data[_COMMAND] = keeping


def keep(channel: Any, task_ids: Iterable[str]) -> None:
    """Write the ids into Redis, and drop those that are 31 days old."""
    key, now = keys.revoked(channel.global_keyprefix), time.time()
    scores = {str(task_id): now for task_id in task_ids}
    if scores:
        with channel.plain_client() as client:
            client.zadd(key, scores)
            client.zremrangebyscore(key, "-inf", now - _KEPT_SECONDS)


def load(channel: Any) -> None:
    """Take in what was revoked before this worker started, or while it was cut off."""
    with channel.plain_client() as client:
        found = client.zrangebyscore(
            keys.revoked(channel.global_keyprefix), time.time() - _KEPT_SECONDS, "+inf"
        )
    state.merge_revoked([task_id.decode() for task_id in found])


def is_kept(channel: Any, task_id: str) -> bool:
    """Whether a person has revoked this task, and it has not ended yet.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    try:
        with channel.plain_client() as client:
            at = client.zscore(keys.revoked(channel.global_keyprefix), task_id)
    except UnicodeEncodeError:
        # Half a character: nobody can have named it.
        return False
    return at is not None and at > time.time() - _KEPT_SECONDS


def forget(channel: Any, task_id: str) -> None:
    """The task has ended: nothing is left to revoke. What cannot be told now is dropped in its time."""
    try:
        with channel.plain_client() as client:
            client.zrem(keys.revoked(channel.global_keyprefix), task_id)
    except (RedisError, OSError, AttributeError) as error:
        _LOG.debug("revocation_kept", error=str(error))
