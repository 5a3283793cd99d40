"""How much of the processor's time a worker takes to empty a queue, in turns with others that do the same."""

import statistics
from collections.abc import Iterable
from time import monotonic

import psutil

from bench.load import bed
from bench.load.bed import Bed, Spoilt
from bench.load.celery_worker import QUEUE
from orchestrator import keys

_POLL_SECONDS = 0.02
_STALL_SECONDS = 120.0
_AT_ONCE = 1000
_HELD_BACK = "bench:held-back"


def drain(where: Bed, messages: list[str]) -> float:
    """Seconds of the processor that the worker and its children take for these messages.

    Raises:
        Spoilt: it does not come to an end.
    """
    for first in range(0, len(messages), _AT_ONCE):
        where.client.lpush(_HELD_BACK, *messages[first : first + _AT_ONCE])
    before, began = _worker_seconds(where), monotonic()
    where.client.rename(_HELD_BACK, QUEUE)
    while not _is_done(where):
        if monotonic() - began > _STALL_SECONDS:
            raise Spoilt("the worker did not finish")
        where.children.check()
        bed.pause(_POLL_SECONDS)
    return _worker_seconds(where) - before


def undisturbed(taken: Iterable[float]) -> float:
    """The first quartile: what a busy neighbour leaves alone, as caches are shared too."""
    return statistics.quantiles(taken, n=4)[0]


def _is_done(where: Bed) -> bool:
    with where.client.pipeline() as ask:
        ask.llen(QUEUE)
        ask.hlen(keys.claims())
        return not any(ask.execute())


def _worker_seconds(where: Bed) -> float:
    worker = psutil.Process(where.children.living["worker-0"].pid)
    spent = worker.cpu_times()
    # Children that have ended are part of what the worker has waited for.
    ended = spent.children_user + spent.children_system
    living = [each.cpu_times() for each in (worker, *worker.children(recursive=True))]
    return float(ended + sum(each.user + each.system for each in living))
