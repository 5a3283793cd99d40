"""`omninode.hooks.sweep`: sends the staged tasks that a dying process left unsent."""

from celery import shared_task

from tasks.hooks import staging


# Not in the queue of the hooks, where it would wait behind those that have arrived.
@shared_task(name="omninode.hooks.sweep", queue="admin", ignore_result=True, max_retries=0)
def sweep_staged() -> int:
    """Send what is due; the next tick of beat does what this one cannot."""
    return staging.sweep()
