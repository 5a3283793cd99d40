"""Flower's pages of ours, written into its table by name: only a process that starts Flower imports them."""

import sys

_PAGES = (
    ("/broker", "monitoring.flower.broker.BrokerPage"),
    ("/api/queues/length", "monitoring.flower.broker.QueueLengths"),
)


def extend() -> None:
    """Put our pages before Flower's own, where Flower is there: `celery` loads it before it loads an app."""
    urls = sys.modules.get("flower.urls")
    if urls is not None:
        urls.handlers[:0] = [page for page in _PAGES if page not in urls.handlers]
