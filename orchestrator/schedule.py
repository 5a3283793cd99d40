"""What beat sends, by the tasks' names."""

from typing import Any

from orchestrator.settings import Settings

# Half of what is promised: a task that a dying process left unsent is sent within 30 seconds.
SWEEP_SECONDS = 10.0
RETENTION_SECONDS = 3600.0
# How often queues without workers are looked through for what has waited too long.
UNSERVED_SECONDS = 30.0
# Counted minutes wait in Redis for a day at most: they are folded at least so often.
FOLDING_SECONDS = 3600.0

# The tasks that beat sends all the time, and that are of no interest as long as they go well.
HOUSEKEEPING = frozenset(
    {
        "omninode.health.check",
        "omninode.hooks.sweep",
        "omninode.admin.enforce_retention",
        "omninode.metrics.aggregate",
        "omninode.admin.sweep_queues",
    }
)


def beat_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """The entries of beat. A tick that no worker took before the next one is due is not worth running."""
    return {
        "omninode-health": _entry("omninode.health.check", settings.health_interval_seconds),
        "omninode-sweep": _entry("omninode.hooks.sweep", SWEEP_SECONDS),
        "omninode-retention": _entry("omninode.admin.enforce_retention", RETENTION_SECONDS),
        "omninode-unserved": _entry("omninode.admin.sweep_queues", UNSERVED_SECONDS),
        "omninode-metrics": _entry(
            "omninode.metrics.aggregate", min(settings.perf_monitor_sampling_interval, FOLDING_SECONDS)
        ),
    }


def _entry(task: str, every_seconds: float) -> dict[str, Any]:
    return {"task": task, "schedule": every_seconds, "options": {"expires": every_seconds}}
