"""Measures how many tasks a second a filled queue is emptied at, from the first start to the last end."""

from bench.load import bed, celery_worker, work
from bench.load.bed import Bed
from bench.load.celery_worker import POOLS, Contender
from bench.load.sizes import Sizes, Values


def drain(pool: str, who: Contender, sizes: Sizes) -> Values:
    """No-op tasks a second from a filled queue, from the first start to the last end."""
    with bed.made(sizes.tasks) as where:
        _drain(where, who, pool, work.NOOP, runs=1)
        return {"rate": sizes.tasks / where.board.span_seconds()}


def retry(who: Contender, sizes: Sizes) -> Values:
    """Tasks a second that are retried three times each, without delay."""
    tasks = sizes.part(10)
    with bed.made(tasks) as where:
        _drain(where, who, "prefork", work.RETRYING, runs=1 + work.RETRIES)
        return {"rate": tasks / where.board.span_seconds()}


def _drain(where: Bed, who: Contender, pool: str, task: str, runs: int) -> None:
    celery_worker.fill(where, who, task)
    celery_worker.start(where, who, POOLS[pool])
    celery_worker.release(where)
    where.wait_for_tasks(runs)


def drain_dramatiq(who: Contender, sizes: Sizes) -> Values:
    """No-op tasks a second of dramatiq: two processes with eight threads each."""
    return _drain_peer(who, ("dramatiq", who.app, "--processes", "2", "--threads", "8"), sizes)


def drain_taskiq(who: Contender, sizes: Sizes) -> Values:
    """No-op tasks a second of taskiq's stream broker: two processes."""
    options = ("--workers", "2", "--log-level", "WARNING")
    return _drain_peer(who, ("taskiq", "worker", f"{who.app}:broker", *options), sizes)


def _drain_peer(who: Contender, worker: tuple[str, ...], sizes: Sizes) -> Values:
    with bed.made(sizes.tasks) as where:
        where.run(who.app, str(sizes.tasks))
        where.start("worker", *worker)
        where.wait_for_tasks()
        return {"rate": sizes.tasks / where.board.span_seconds()}
