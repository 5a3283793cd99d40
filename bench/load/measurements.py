"""The measurements by name; each runs once, on a bed of its own, for one contender."""

from collections.abc import Callable
from functools import partial

from bench.load import costs, drains, producing
from bench.load.celery_worker import POOLS, Contender
from bench.load.sizes import Sizes, Values

OMNINODE = Contender("OmniNode", "bench.load.omninode")
STOCK = Contender("stock Celery", "bench.peers.stock_celery")
DRAMATIQ = Contender("dramatiq", "bench.peers.dramatiq_noop", needs="dramatiq")
TASKIQ = Contender("taskiq", "bench.peers.taskiq_noop", needs="taskiq_redis")

MEASUREMENTS: dict[str, Callable[[Contender, Sizes], Values]] = {
    **{f"drain-{pool}": partial(drains.drain, pool) for pool in POOLS},
    "drain-dramatiq": drains.drain_dramatiq,
    "drain-taskiq": drains.drain_taskiq,
    "latency": producing.latency,
    "enqueue-loop": partial(producing.enqueue, "loop"),
    "enqueue-many": partial(producing.enqueue, "many"),
    "retry": drains.retry,
    "requests-busy": costs.requests_busy,
    "requests-idle": costs.requests_idle,
    "idle": costs.idle,
}
