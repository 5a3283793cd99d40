"""The task that beat sends to keep what was counted, and to judge the fleet by it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from celery import shared_task
from redis.exceptions import RedisError

from monitoring.alerts.looking import look_once
from monitoring.history.folding import Folded, fold
from orchestrator import broker, keys, logger, redaction, settings
from orchestrator.errors import PostgresUnavailable
from orchestrator.settings import Settings

_LOG = logger.get(__name__)
# While it is told of, it is not told again. Longer than what waits is kept.
_TOLD_SECONDS = 2 * keys.DAY_SECONDS


@shared_task(name="omninode.metrics.aggregate", max_retries=0)
def aggregate() -> dict[str, Any]:
    """Fold what was counted into the history, then look at the fleet; returns what was done of both.

    A server that is away fails no run: what waits for it is folded, and what is to be judged is, by the next
    one. `trouble` then says what was wrong.
    """
    chosen = settings.current()
    done: dict[str, Any] = {"folded": None, "alerts": None, "trouble": []}
    try:
        _keep(chosen, done)
    finally:
        # Whatever has kept it from folding: that is when alerts matter.
        _judge(chosen, done)
    return done


def _keep(chosen: Settings, done: dict[str, Any]) -> None:
    try:
        done["folded"] = asdict(_fold(chosen))
    except PostgresUnavailable as error:
        done["trouble"].append(redaction.text(f"PostgreSQL takes no minutes: {error}"))
    except (RedisError, OSError) as error:
        done["trouble"].append(redaction.text(f"the broker's Redis does not answer: {error}"))


def _judge(chosen: Settings, done: dict[str, Any]) -> None:
    try:
        looked = look_once(chosen)
    except (RedisError, OSError) as error:
        done["trouble"].append(redaction.text(f"alerts are not judged: {error}"))
    else:
        done["alerts"] = {event: looked.names(event) for event in ("raised", "cleared")}
        if looked.trouble:
            done["trouble"].append(f"alerts are not delivered: {looked.trouble}")


def _fold(chosen: Settings) -> Folded:
    try:
        folded = fold(chosen)
    except PostgresUnavailable as error:
        if _is_news(chosen):
            _LOG.warning("metrics_wait_for_postgresql", error=redaction.text(str(error)), kept_for_hours=24)
        raise
    if folded.is_alone and _is_over(chosen):
        _LOG.info("metrics_are_folded_again", windows=folded.windows)
    if folded.lost:
        _LOG.warning("metrics_were_lost", minutes=folded.lost, why="they waited for more than 24 hours")
    return folded


def _is_news(chosen: Settings) -> bool:
    with broker.client(chosen) as client:
        return bool(client.set(_told(chosen), 1, nx=True, ex=_TOLD_SECONDS))


def _is_over(chosen: Settings) -> bool:
    with broker.client(chosen) as client:
        return bool(client.delete(_told(chosen)))


def _told(chosen: Settings) -> str:
    return keys.metrics("waiting-told", chosen.key_prefix)
