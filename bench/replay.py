"""Letters a second from the index into their queue, beside `enqueue_many` of as many tasks in the same Redis.

Both take turns in one run. A replay reads letters and their bytes from PostgreSQL, and writes state, history
and batch before it pushes; `enqueue_many` makes new messages and pushes them. The letters are indexed
before the time begins; the median of the rounds is held against the bar.
"""

import json
import statistics
import sys
import time
from pathlib import Path
from threading import Event
from typing import Any

import click
import psycopg
from celery import Celery

sys.path.insert(0, str(Path(__file__).parents[1]))  # a script sees only its own folder

from orchestrator import postgres, redis, schema
from orchestrator.dev.stack import running
from orchestrator.enqueue import enqueue_many
from orchestrator.index.filters import Filter
from orchestrator.index.writing import write
from orchestrator.install import install
from orchestrator.replay import order
from orchestrator.replay.broker import channel
from orchestrator.replay.run import replay
from orchestrator.settings import Settings
from tests.shop import death

BAR = 1_000


@click.command(help=__doc__)
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--letters", default=10_000, show_default=True, type=click.IntRange(min=100))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(*, rounds: int, letters: int, as_json: bool) -> None:
    """Measure, print, and exit with 1 when the bar is missed."""
    with running() as stack:
        settings = Settings(REDIS_URL=stack.redis_url, DATABASE_URL=stack.database_url)
        schema.migrate(settings.database_url)
        replays, enqueues = _measure(settings, rounds, letters)
    ours, peer = statistics.median(replays), statistics.median(enqueues)
    if as_json:
        click.echo(
            json.dumps({"replay": replays, "enqueue_many": enqueues, "ratio": ours / peer, "bar": BAR})
        )
    else:
        print(f"{f'letters/s, {letters:,} a turn, median of {rounds}':44} {'median':>8}   rounds")
        for name, rates in (("replay", replays), ("peer: enqueue_many", enqueues)):
            shown = " ".join(f"{rate:.0f}" for rate in rates)
            print(f"{name:44} {statistics.median(rates):8.0f}   {shown}")
        print(f"{'ratio':44} {ours / peer:8.3f}\n{'bar':44} {BAR:8}")
    sys.exit(ours < BAR)


def _measure(settings: Settings, rounds: int, letters: int) -> tuple[list[float], list[float]]:
    replays: list[float] = []
    enqueues: list[float] = []
    with (
        install(Celery("bench", set_as_current=False), settings) as app,
        postgres.connect(settings.database_url) as database,
        channel(settings, "") as opened,
        redis.connect(settings.redis_url) as server,
    ):
        task = app.task(name="shop.pay", shared=False, lazy=False, ignore_result=True)(_pay)
        for _ in range(rounds):
            replays.append(_replay(database, opened, letters))
            assert server.llen("shop") == letters
            server.delete("shop")
            enqueues.append(_enqueue(task, letters))
            assert server.llen("shop") == letters
            server.delete("shop")
    return replays, enqueues


def _replay(database: psycopg.Connection[Any], opened: Any, letters: int) -> float:
    database.execute("TRUNCATE dead_letters, dead_letter_operations, replay_batches CASCADE")
    for first in range(0, letters, 1000):
        some = range(first, min(first + 1000, letters))
        write(database, [death(number) for number in some], max_replays=5)
    database.execute("VACUUM ANALYZE dead_letters, dead_letter_deaths")
    began = time.perf_counter()
    operation = order.begin(database, order.order(Filter()), "bench", "")
    account = replay(database, opened, operation, stop=Event())
    elapsed = time.perf_counter() - began
    assert account.enqueued == letters
    return letters / elapsed


def _enqueue(task: Any, letters: int) -> float:
    began = time.perf_counter()
    enqueue_many(task, ([number] for number in range(letters)), queue="shop")
    return letters / (time.perf_counter() - began)


def _pay(_number: int) -> None:
    raise AssertionError("it is only enqueued")


if __name__ == "__main__":
    main()
