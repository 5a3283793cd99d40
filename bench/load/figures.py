"""The figures of `bench/transport.py`: what each compares, and the bar that it has to reach."""

import operator
from dataclasses import dataclass
from typing import NamedTuple

from bench.load.celery_worker import POOLS, Contender
from bench.load.costs import QUEUES, WORKERS
from bench.load.measurements import DRAMATIQ, OMNINODE, STOCK, TASKIQ

_COMPARE = {"≥": operator.ge, ">": operator.gt, "≤": operator.le}


class Reading(NamedTuple):
    """One value of one measurement of one contender."""

    measurement: str
    contender: Contender
    value: str = "rate"


@dataclass(frozen=True)
class Bar:
    """What a figure is held against: a multiple of the peer's, or a number of its own unit."""

    sign: str
    limit: float
    times_peer: bool = True

    def met(self, ours: float, ratio: float) -> bool:
        """Whether the bar is reached."""
        return bool(_COMPARE[self.sign](ratio if self.times_peer else ours, self.limit))

    def __str__(self) -> str:
        """As it stands in the table."""
        return f"{self.sign} {self.limit:g}{' x' if self.times_peer else ''}"


@dataclass(frozen=True)
class Figure:
    """One line of the table; of several readings of ours the highest counts. `name` is for `--only`."""

    name: str
    label: str
    ours: tuple[Reading, ...]
    peer: Reading
    bar: Bar

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Everything that has to be measured."""
        return (*self.ours, self.peer)


def _against_stock(name: str, label: str, bar: Bar, value: str = "rate") -> Figure:
    return Figure(name, label, (Reading(name, OMNINODE, value),), Reading(name, STOCK, value), bar)


_BEST = tuple(Reading(f"drain-{pool}", OMNINODE) for pool in POOLS)

FIGURES = (
    _against_stock("drain-prefork", "drain, prefork 2: tasks/s", Bar("≥", 3)),
    _against_stock("drain-threads", "drain, 1 worker with 2 threads: tasks/s", Bar("≥", 5)),
    _against_stock("drain-solo", "drain, 2 x solo: tasks/s", Bar("≥", 5)),
    Figure(
        "peers",
        "drain, best pool, beside dramatiq 2 x 8 threads: tasks/s",
        _BEST,
        Reading("drain-dramatiq", DRAMATIQ),
        Bar(">", 1),
    ),
    Figure(
        "peers",
        "drain, best pool, beside taskiq stream 2 x: tasks/s",
        _BEST,
        Reading("drain-taskiq", TASKIQ),
        Bar(">", 1),
    ),
    _against_stock("latency", "latency at 50/s, p50: ms", Bar("≤", 1.15), "p50"),
    _against_stock("latency", "latency at 50/s, p99: ms", Bar("≤", 1.15), "p99"),
    Figure(
        "enqueue",
        "enqueue_many beside apply_async: messages/s",
        (Reading("enqueue-many", OMNINODE),),
        Reading("enqueue-loop", STOCK),
        Bar("≥", 8),
    ),
    _against_stock("retry", "3 retries without delay, prefork 2: tasks/s", Bar("≥", 2.5)),
    _against_stock(
        "requests-busy",
        "requests to Redis a task, busy prefork 2",
        Bar("≤", 0.5, times_peer=False),
        "requests",
    ),
    _against_stock(
        "requests-idle",
        f"requests to Redis a task, {WORKERS} workers, 50/s",
        Bar("≤", 25, times_peer=False),
        "requests",
    ),
    _against_stock("idle", "idle worker: % of a core", Bar("≤", 1, times_peer=False), "cpu"),
    _against_stock(
        "idle",
        f"idle worker: requests/s a queue ({len(QUEUES)} queues)",
        Bar("≤", 2, times_peer=False),
        "requests",
    ),
)
NAMES = tuple(dict.fromkeys(figure.name for figure in FIGURES))
