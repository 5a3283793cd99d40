"""`omninode.hooks.sweep`: sends the staged tasks that a dying process left unsent."""

from celery import shared_task

from orchestrator.errors import BreakerOpen
from tasks.hooks import staging


@shared_task(name="omninode.hooks.sweep", ignore_result=True, max_retries=0)
def sweep_staged() -> int:
    """Send what is due; the next tick of beat does what this one cannot."""
    try:
        return staging.sweep()
    except BreakerOpen:
        # Set aside, the sweeps of a long outage would all come at once.
        return 0
