"""Milliseconds to find 20 letters among a million by each filter, beside plain SQL in the same run.

Each filter is tried 25 times; the medians are held against the bars: 50 ms, and 500 ms for words of the
message. The plain SQL has the same conditions and `ORDER BY died_at DESC, id DESC LIMIT 20`, as one would
write it, on the same table with the same indexes. The last two have no bar: for them a great many messages
have to be read.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import psycopg
from psycopg import sql

sys.path.insert(0, str(Path(__file__).parents[1]))  # a script sees only its own folder

from bench.load.letters import Case, cases, fill
from orchestrator import postgres, schema
from orchestrator.dev.stack import running
from orchestrator.index import access
from orchestrator.index.finding import find

MOST = 20
TRIES = 25
# What is slow is slow: it is not tried as often.
_PATIENCE_SECONDS = 3.0
_PLAIN = sql.SQL("SELECT * FROM dead_letters WHERE {} ORDER BY died_at DESC, id DESC LIMIT %s")
_EXPLAIN = sql.SQL("EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, COSTS OFF, BUFFERS OFF) {}")


@dataclass(frozen=True)
class Row:
    """One filter: what was found, and milliseconds."""

    name: str
    letters: int
    median_ms: float
    p95_ms: float
    plain_ms: float
    bar_ms: float | None

    @property
    def is_met(self) -> bool:
        """Whether it was fast enough."""
        return self.bar_ms is None or self.median_ms <= self.bar_ms


@click.command(help=__doc__)
@click.option("--rows", default=1_000_000, show_default=True, type=click.IntRange(min=1000))
@click.option("--plans", is_flag=True, help="Print what PostgreSQL does for each filter.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(*, rows: int, plans: bool, as_json: bool) -> None:
    """Measure, print, and exit with 1 when a bar is missed."""
    try:
        measured = measure(rows, show_plans=plans)
    except KeyboardInterrupt:
        sys.exit(130)
    if as_json:
        click.echo(
            json.dumps({"rows": rows, "filters": [vars(row) | {"met": row.is_met} for row in measured]})
        )
    else:
        _print(rows, measured)
    sys.exit(not all(row.is_met for row in measured))


def measure(rows: int, *, show_plans: bool) -> list[Row]:
    """Fill a database of our own, and try each filter."""
    with running() as stack:
        schema.migrate(stack.database_url)
        with postgres.connect(stack.database_url) as database:
            began = time.monotonic()
            fill(database, rows)
            click.echo(f"filled within {time.monotonic() - began:.0f} s", err=True)
            if show_plans:
                for case in cases(database):
                    _explain(database, case)
            return [_try(database, case) for case in cases(database)]


def _try(database: psycopg.Connection[Any], case: Case) -> Row:
    condition, parameters = case.filter.where()
    query = _PLAIN.format(condition)
    ours = _times(lambda: find(database, case.filter, MOST))
    plain = _times(lambda: database.execute(query, [*parameters, MOST], prepare=False).fetchall())
    return Row(
        case.name,
        len(find(database, case.filter, MOST).letters),
        statistics.median(ours),
        sorted(ours)[int(len(ours) * 0.95)],
        statistics.median(plain),
        case.bar_ms,
    )


def _times(look: Callable[[], object]) -> list[float]:
    """Milliseconds of each try, after a first one that warms the caches."""
    look()
    times: list[float] = []
    while len(times) < TRIES and sum(times) < _PATIENCE_SECONDS * 1000:
        began = time.perf_counter()
        look()
        times.append((time.perf_counter() - began) * 1000)
    return times


def _explain(database: psycopg.Connection[Any], case: Case) -> None:
    click.echo(f"\n{case.name}: {json.dumps(case.filter.as_json())[:120]}")
    for query, parameters in access.queries(database, sql.SQL("*"), case.filter, MOST + 1, None):
        for (line,) in database.execute(_EXPLAIN.format(query), parameters, prepare=False).fetchall():
            click.echo(f"  {line}")
        if len(database.execute(query, parameters, prepare=False).fetchall()) > MOST:
            break


def _print(rows: int, measured: list[Row]) -> None:
    click.echo(f"{MOST} of {rows:,} letters, ms    found   median      p95    plain SQL    bar")
    for row in measured:
        verdict = "-" if row.bar_ms is None else f"≤ {row.bar_ms:g} {'met' if row.is_met else 'MISSED'}"
        times = f"{row.median_ms:8.1f} {row.p95_ms:8.1f} {row.plain_ms:12.1f}"
        click.echo(f"{row.name:36} {row.letters:4} {times}    {verdict}")


if __name__ == "__main__":
    main()
