"""How long it takes to fold an hour of a large fleet's counts into the history, beside the same row by row.

500 series of durations, each with about 55 buckets, in each of 60 minutes: all of it is timed, from the
minutes in Redis to the rows of minutes, hours and days, and what is kept. The peer reads one hash at a time,
and writes each value to its rows by INSERT … ON CONFLICT, in one transaction; it is given a tenth of the
minutes, and its time is shown as of all of them.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[1]))  # a script sees only its own folder

import psycopg
from redis import Redis

from bench.load.bars import Figure, all_met, show
from monitoring.history.folding import fold
from monitoring.recording.buckets import bucket
from monitoring.recording.sums import Calls
from monitoring.rollup.encoding import durations
from orchestrator import keys, schema
from orchestrator import settings as environment
from orchestrator.dev.stack import running
from orchestrator.settings import Settings
from orchestrator.tally import fields

_MOST_SECONDS = 1.0
_CALLS, _PEER_PART = 300, 10
_UPSERT = """
    INSERT INTO peer_rollups (tier, starts_at, field, value)
    VALUES (%s, date_trunc(%s, to_timestamp(%s), 'UTC'), %s, %s)
    ON CONFLICT (tier, starts_at, field) DO UPDATE SET value = excluded.value"""


@click.command(help=__doc__)
@click.option("--series", default=500, show_default=True, type=click.IntRange(min=1))
@click.option("--minutes", default=60, show_default=True, type=click.IntRange(min=10))
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(*, series: int, minutes: int, rounds: int, as_json: bool) -> None:
    """Measure, print, and exit with 1 when the bar is missed."""
    with running() as addresses:
        chosen = environment.use(
            Settings.model_validate(
                {"REDIS_URL": addresses.redis_url, "DATABASE_URL": addresses.database_url}
            )
        )
        schema.migrate(chosen.database_url)
        with Redis.from_url(chosen.redis_url, decode_responses=True) as client:
            figures = _measured(chosen, client, series, minutes, rounds)
    show(figures, as_json=as_json)
    sys.exit(not all_met(figures))


def _measured(chosen: Settings, client: Redis, series: int, minutes: int, rounds: int) -> list[Figure]:
    ours, peers = [], []
    for number in range(rounds):
        # Each time the hour before the last one's.
        _fill(client, series, minutes, before=number * minutes)
        peers.append(_row_by_row(chosen, client, max(1, minutes // _PEER_PART)) * _PEER_PART)
        began = time.perf_counter()
        folded = fold(chosen)
        ours.append(time.perf_counter() - began)
        assert folded.windows >= minutes - 1, folded
    seconds, peer = min(ours), min(peers)
    return [
        Figure(
            f"fold of {series} series in {minutes} minutes: s",
            f"{seconds:.2f}",
            f"≤ {_MOST_SECONDS:g}",
            seconds <= _MOST_SECONDS,
            {
                f"median of {rounds}": f"{median(ours):.2f} s",
                "row by row": f"{peer:.1f} s, median {median(peers):.1f} s",
            },
        )
    ]


def _fill(client: Redis, series: int, minutes: int, before: int) -> None:
    chance = random.Random(7)  # noqa: S311 (the same numbers in each run)
    values = [_some_calls(chance) for _ in range(50)]
    present = int(time.time()) // 60 - before
    for minute in range(present - minutes, present):
        names = [
            fields.field("call", f"component-{each % 50}", f"operation-{each // 50}", "success")
            for each in range(series)
        ]
        stored: Any = {name: chance.choice(values) for name in names}
        key = keys.metrics(f"minute:{minute}")
        client.hset(key, mapping={"id": f"{minute}.{before}"} | stored)
        client.zadd(keys.metrics("minutes"), {str(minute): minute})


def _some_calls(chance: random.Random) -> str:
    micros = [int(1e6 * chance.lognormvariate(-1, 1)) for _ in range(_CALLS)]
    buckets: dict[int, int] = {}
    for each in micros:
        index = bucket(each / 1e6)
        buckets[index] = buckets.get(index, 0) + 1
    return durations(Calls(_CALLS, sum(micros), buckets, min(micros), max(micros)))


def _row_by_row(chosen: Settings, client: Redis, minutes: int) -> float:
    listed: Any = client.zrange(keys.metrics("minutes"), 0, minutes - 1)
    began = time.perf_counter()
    with psycopg.connect(chosen.database_url) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS peer_rollups (tier text, starts_at timestamptz, field text,"
            " value text, PRIMARY KEY (tier, starts_at, field))"
        )
        for minute in listed:
            stored: Any = client.hgetall(keys.metrics(f"minute:{minute}"))
            for field, value in stored.items():
                for tier in ("minute", "hour", "day"):
                    connection.execute(_UPSERT, (tier, tier, int(minute) * 60, field, value))
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
