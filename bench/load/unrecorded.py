"""OmniNode's app of `bench/transport.py` whose workers record nothing: nobody hears of what they tell."""

from celery.signals import worker_init, worker_process_init

from bench.load.omninode import app

__all__ = ["app"]

for _signal in (worker_init, worker_process_init):
    # What has another name by now would be measured as if it cost nothing.
    if not _signal.disconnect(dispatch_uid="omninode-recording"):
        raise TypeError("workers do not begin to record by that name")
