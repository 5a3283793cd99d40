"""Measures what workers cost: requests to Redis, busy and idle, and the processor's time of an idle one."""

from collections import Counter
from time import monotonic

import psutil

from bench.load import bed, celery_worker, work
from bench.load.bed import Bed
from bench.load.celery_worker import POOLS, RATE, Contender
from bench.load.requests import counted
from bench.load.sizes import Sizes, Values

WORKERS = 20
QUEUES = ("models", "hooks", "admin", "celery")
_SETTLING_SECONDS = 3.0
_ALL_SETTLED_SECONDS = 0.5


def requests_busy(who: Contender, sizes: Sizes) -> Values:
    """Requests of a busy worker for each task, from the first claim to the last settlement."""
    tasks = sizes.part(4)
    with bed.made(tasks) as where:
        celery_worker.fill(where, who, work.NOOP)
        celery_worker.start(where, who, POOLS["prefork"])
        with counted(where) as requests:
            celery_worker.release(where)
            where.wait_for_tasks()
            bed.pause(_ALL_SETTLED_SECONDS)
            return _per("task", requests.so_far(), tasks)


def requests_idle(who: Contender, sizes: Sizes) -> Values:
    """Requests for each task of twenty workers that share 50 tasks a second; the producer's do not count."""
    tasks = sizes.part(40)
    with bed.made(tasks) as where:
        messages = celery_worker.render(who, work.NOOP, tasks)
        celery_worker.start(where, who, POOLS["solo"][:1] * WORKERS)
        bed.pause(_SETTLING_SECONDS)
        with counted(where) as requests:
            began = monotonic()
            for row, message in enumerate(messages):
                bed.pause(max(0.0, began + row / RATE - monotonic()))
                where.client.lpush(celery_worker.QUEUE, message)
            where.wait_for_tasks()
            bed.pause(_ALL_SETTLED_SECONDS)
            return _per("task", requests.so_far(), tasks)


def idle(who: Contender, sizes: Sizes) -> Values:
    """What a worker with nothing to do costs: per cent of a core, and requests a second for each queue."""
    with bed.made(1) as where:
        celery_worker.start(where, who, POOLS["prefork"], ",".join(QUEUES))
        bed.pause(_SETTLING_SECONDS)
        with counted(where) as requests:
            before, began = _cpu_seconds(where), monotonic()
            earlier = requests.so_far()
            bed.pause(sizes.idle_seconds)
            seconds = monotonic() - began
            cpu = (_cpu_seconds(where) - before) / seconds * 100
            asked = requests.so_far()
            asked.subtract(earlier)
            return {"cpu": cpu, **_per("second", asked, seconds * len(QUEUES))}


def _per(unit: str, requests: Counter[str], number: float) -> Values:
    by_command = {f"{name}/{unit}": count / number for name, count in requests.most_common(5) if count}
    return {"requests": requests.total() / number, **by_command}


def _cpu_seconds(where: Bed) -> float:
    worker = psutil.Process(where.children.living["worker-0"].pid)
    times = [each.cpu_times() for each in (worker, *worker.children(recursive=True))]
    return sum(each.user + each.system for each in times)
