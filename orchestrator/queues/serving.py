"""Who serves which queue: what the living workers last said of themselves."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kombu.utils.encoding import bytes_to_str
from redis import Redis

from orchestrator import keys
from orchestrator.transport.attendance import SILENT_SECONDS


@dataclass(frozen=True)
class ServingWorker:
    """A worker that was heard within the last 15 seconds; `at` is when, in Unix seconds of Redis's clock."""

    node: str
    host: str
    pid: int
    pool: str
    concurrency: int
    queues: tuple[str, ...]
    at: float


def workers(client: Redis, prefix: str = "") -> tuple[ServingWorker, ...]:
    """The workers that live, by node; `client` may answer with text or bytes.

    Raises:
        redis.exceptions.RedisError: Redis does not answer.
    """
    with client.pipeline(transaction=False) as ask:
        ask.time()
        ask.hgetall(keys.workers(prefix))
        (seconds, micros), told = ask.execute()
    earliest = seconds + micros / 1_000_000 - SILENT_SECONDS
    found = [_read(value) for value in told.values()]
    living = [worker for worker in found if worker and worker.at >= earliest]
    return tuple(sorted(living, key=lambda worker: worker.node))


def by_queue(serving: Iterable[ServingWorker]) -> Counter[str]:
    """How many workers serve each queue."""
    return Counter(queue for worker in serving for queue in worker.queues)


def _read(value: Any) -> ServingWorker | None:
    """None of what no worker of ours has written."""
    try:
        told = json.loads(bytes_to_str(value))
        return ServingWorker(
            node=str(told["node"]),
            host=str(told["host"]),
            pid=int(told["pid"]),
            pool=str(told["pool"]),
            concurrency=int(told["concurrency"]),
            queues=tuple(str(queue) for queue in told["queues"]),
            at=float(told["at"]),
        )
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
