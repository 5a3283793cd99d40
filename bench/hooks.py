"""Hooks per second, end to end: stored, embedded and compared; with handlers off; and beside a peer.

The peer is a plain Celery app that stores the payload (`bench/peers/stock_hooks.py`). Each round drains the
same hooks through each of them in turn, from a filled queue, with two worker processes; medians and ratios
are printed.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, LiteralString
from uuid import uuid4

import psycopg

from orchestrator.dev.stack import running

ROUNDS = 3
REPEATS = 6
CONCURRENCY = 2
INPUT = Path(__file__).parent.parent / "examples" / "github-webhooks.jsonl"

_STORED: LiteralString = "SELECT count(*) FROM hook_events"
_WORK_LEFT: LiteralString = """
    SELECT (SELECT count(*) FROM staged_tasks) + (SELECT count(*) FROM texts WHERE compared_at IS NULL)"""


@dataclass(frozen=True)
class Contender:
    """One way of processing the hooks: its app, and how its messages and its progress look."""

    name: str
    app: str
    task: str
    source: str | None
    stored: LiteralString
    work_left: LiteralString


CONTENDERS = (
    Contender(
        "stored, embedded, compared", "orchestrator", "omninode.hooks.process", "github", _STORED, _WORK_LEFT
    ),
    Contender("handlers off", "orchestrator", "omninode.hooks.process", "bench", _STORED, _WORK_LEFT),
    Contender(
        "peer: plain Celery, stored",
        "bench.peers.stock_hooks",
        "stock.store",
        None,
        "SELECT count(*) FROM stock_hooks",
        "SELECT 0",
    ),
)


def main() -> None:
    """Run the rounds on a stack of our own and print the table."""
    with running() as stack:
        os.environ.update(stack.environment())
        with psycopg.connect(stack.database_url, autocommit=True) as database:
            database.execute(
                "CREATE TABLE stock_hooks (delivery_id text PRIMARY KEY, event text, payload json)"
            )
            rates = _rounds(database)
    _print(rates)


def _rounds(database: psycopg.Connection[Any]) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {contender.name: [] for contender in CONTENDERS}
    for _ in range(ROUNDS):
        for contender in CONTENDERS:
            database.execute(
                "TRUNCATE hook_events, staged_tasks, resources, texts, model_calls, stock_hooks CASCADE"
            )
            rates[contender.name].append(_drain(contender, database))
    return rates


def _drain(contender: Contender, database: psycopg.Connection[Any]) -> float:
    """Hooks per second from the first commit to the last piece of work: a worker's start does not count."""
    sent = _fill(contender)
    with _worker(contender.app):
        _wait(lambda: _number(database, contender.stored) > 0)
        began, already = time.monotonic(), _number(database, contender.stored)
        _wait(lambda: _number(database, contender.stored) == sent)
        _wait(lambda: _number(database, contender.work_left) == 0)
        return (sent - already) / (time.monotonic() - began)


def _fill(contender: Contender) -> int:
    """Put the hooks into the broker; each copy of a payload is a delivery and a text of its own."""
    from celery import Celery  # noqa: PLC0415 (the environment names the broker first)

    lines = INPUT.read_text(encoding="utf-8").splitlines()
    with (
        Celery(broker=os.environ["REDIS_URL"], set_as_current=False) as app,
        app.producer_pool.acquire() as producer,
    ):
        queue = "hooks" if contender.source else "celery"
        for number in range(len(lines) * REPEATS):
            copy, line = divmod(number, len(lines))
            hook = json.loads(lines[line].replace("https://github.com/", f"https://github.com/copy-{copy}-"))
            fields = {"event": hook["event"], "payload": hook["payload"], "delivery_id": str(uuid4())}
            call = (
                {"args": [fields | {"source": contender.source}]} if contender.source else {"kwargs": fields}
            )
            app.send_task(contender.task, queue=queue, producer=producer, **call)
    return len(lines) * REPEATS


@contextmanager
def _worker(app: str) -> Iterator[None]:
    command = [sys.executable, "-m", "celery", "-A", app, "worker", "--concurrency", str(CONCURRENCY)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _wait(condition: Callable[[], bool], within_seconds: float = 300.0) -> None:
    give_up_at = time.monotonic() + within_seconds
    while not condition():
        if time.monotonic() > give_up_at:
            raise TimeoutError("the queue was not drained in time")
        Event().wait(0.02)


def _number(database: psycopg.Connection[Any], query: LiteralString) -> int:
    row = database.execute(query).fetchone()
    return int(row[0]) if row else 0


def _print(rates: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(values) for name, values in rates.items()}
    peer = medians[CONTENDERS[-1].name]
    print(f"{'hooks/s, median of ' + str(ROUNDS):32} {'median':>8} {'to peer':>8}   rounds")
    for name, values in rates.items():
        shown = " ".join(f"{value:.0f}" for value in values)
        print(f"{name:32} {medians[name]:8.0f} {medians[name] / peer:8.2f}   {shown}")


if __name__ == "__main__":
    main()
