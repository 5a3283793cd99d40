"""Measures what a producer waits for: the start of its task, and the enqueueing of many."""

import numpy as np

from bench.load import bed, celery_worker
from bench.load.bed import Spoilt
from bench.load.celery_worker import POOLS, RATE, Contender
from bench.load.sizes import Sizes, Values

_WARM_UP = 50


def latency(who: Contender, sizes: Sizes) -> Values:
    """Milliseconds from `apply_async` to the task's start, at 50 tasks a second."""
    tasks = _WARM_UP + sizes.part(20)
    with bed.made(tasks) as where:
        celery_worker.start(where, who, POOLS["prefork"])
        where.run("bench.load.send", who.app, "paced", str(tasks), str(RATE))
        where.wait_for_tasks()
        p50, p99 = np.percentile(where.board.latencies_seconds(_WARM_UP) * 1000, (50, 99))
        return {"p50": float(p50), "p99": float(p99)}


def enqueue(how: str, who: Contender, sizes: Sizes) -> Values:
    """Messages a second from one process: by `enqueue_many`, or by a loop of `apply_async`."""
    tasks = sizes.part(2)
    with bed.made(tasks) as where:
        seconds = float(where.run("bench.load.send", who.app, how, str(tasks)))
        if (found := where.client.llen(celery_worker.QUEUE)) != tasks + 1:
            raise Spoilt(f"{found} messages in the queue, {tasks + 1} were sent")
        return {"rate": tasks / seconds}
