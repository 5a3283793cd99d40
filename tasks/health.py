"""The task that beat sends to find out whether everything works, and the checks of the models."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from celery import shared_task

from monitoring.health import probes, results
from monitoring.health.guarding import run_guarded
from monitoring.health.registry import Check, check_source, registered
from monitoring.health.verdict import conclude
from orchestrator import redis, settings
from tasks.models.probe import probe

# The import of `probes` declares the shipped checks.
__all__ = ["check", "model_checks", "probes"]

# `probe` answers within 8 seconds, or says why not.
_MODEL_TIMEOUT_SECONDS = 9.0


@check_source
def model_checks() -> Iterator[Check]:
    """One check a model: the built-in one, and each of OMNINODE_MODELS."""
    for name in ("local", *settings.current().models):
        yield Check(f"model:{name}", partial(probe, name), timeout_seconds=_MODEL_TIMEOUT_SECONDS)


@shared_task(name="omninode.health.check", max_retries=0)
def check() -> dict[str, Any]:
    """Run the checks that are due and keep what they found; returns `{"status", "checks": […]}`.

    A check that is not due yet (its `every`) keeps its last result. One that keeps failing is made less often
    (its breaker, `health:<name>`), and says so.
    """
    client = redis.client()
    last = results.load(client)
    tick_seconds, now = settings.current().health_interval_seconds, time.time()
    checks = registered()
    due = [one for one in checks if results.is_due(one, last.get(one.name), now, tick_seconds)]
    found = last | {result.name: result for result in run_guarded(due, last)}
    known = [found[one.name] for one in checks]
    results.store(client, known)
    return conclude(known).as_json()
