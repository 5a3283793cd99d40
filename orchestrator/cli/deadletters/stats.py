"""`omninode dead-letters stats`: how many letters there are, what waits, what is alarming, what was done."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from orchestrator.index.operations import Operation
    from orchestrator.index.stats import Figures, Totals

_MOST_OPERATIONS = 10
# They are enough for --resume.
_SHOWN_DIGITS = 8


@dataclass(frozen=True)
class _Redis:
    """What Redis says: letters on their way, and alerts; or why it says nothing."""

    outbox: int | None
    alerts: dict[str, Any]
    error: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def stats(*, as_json: bool) -> None:
    """Count the letters by state, reason and queue; show what waits for Kafka, alerts, and what was done.

    Exits with 1 when Redis does not answer: PostgreSQL's figures are shown all the same.
    """
    from orchestrator.cli.deadletters.opening import index
    from orchestrator.cli.deadletters.rendering import echo_json
    from orchestrator.index import operations
    from orchestrator.index import stats as counted

    with index() as connection:
        figures, totals = counted.figures(connection), counted.totals(connection)
        done = operations.recent(connection, _MOST_OPERATIONS)
    on_its_way = _ask_redis()
    if as_json:
        echo_json(
            {
                "by_state": totals.by_state,
                "per_minute": totals.per_minute,
                "new_in_last_minute": figures.new_in_last_minute,
                "oldest_open_seconds": figures.oldest_open_seconds,
                "outbox": on_its_way.outbox,
                "overflow": totals.overflow,
                "alerts": on_its_way.alerts,
                "operations": done,
            },
            by_reason=totals.by_reason,
            by_queue=totals.by_queue,
        )
    else:
        _print(figures, totals, on_its_way, done)
    if on_its_way.error:
        click.echo(on_its_way.error, err=True)
        sys.exit(1)


def _ask_redis() -> _Redis:
    from dataclasses import asdict

    from redis.exceptions import RedisError

    from orchestrator import broker, keys, redaction, redis, settings
    from orchestrator.relay.watching import alarms

    chosen = settings.current()
    try:
        with broker.client(
            chosen, decode=True, timeout_seconds=redis.COMMAND_TIMEOUT_SECONDS, retries=0
        ) as client:
            length: Any = client.xlen(keys.outbox(chosen.key_prefix))
            alerts = alarms.raised(client, chosen.key_prefix)
            return _Redis(length, {name: asdict(each) for name, each in alerts.items()})
    except (RedisError, OSError) as error:
        return _Redis(None, {}, f"Redis does not answer: {redaction.text(str(error))}")


def _print(figures: Figures, totals: Totals, on_its_way: _Redis, done: list[Operation]) -> None:
    from orchestrator import redaction, times
    from orchestrator.cli.deadletters.rendering import sparkline

    _print_numbers("state", totals.by_state)
    _print_numbers("reason (not settled)", totals.by_reason)
    _print_numbers("queue (not settled)", totals.by_queue)
    if figures.open:
        click.echo(f"the oldest open letter first failed {times.length(figures.oldest_open_seconds)} ago")
    click.echo(f"by minute, last hour: {sparkline(totals.per_minute)}")
    outbox = "unknown" if on_its_way.outbox is None else f"{on_its_way.outbox:,}"
    click.echo(f"waiting for Kafka: {outbox} in Redis, {totals.overflow:,} in PostgreSQL")
    for name, alert in on_its_way.alerts.items():
        sentence = f"{alert['severity']}: {name} since {alert['since']}: {alert['sentence']}"
        click.echo(redaction.printable(sentence))
    if done:
        _print_operations(done)


def _print_numbers(what: str, numbers: dict[str, int]) -> None:
    from orchestrator import redaction

    if not numbers:
        return
    click.echo(what)
    shown = {redaction.printable(name) or "-": number for name, number in numbers.items()}
    width = max(map(len, shown))
    for name, number in shown.items():
        click.echo(f"  {name:{width}}  {number:10,}")


def _print_operations(done: list[Operation]) -> None:
    from orchestrator.cli.deadletters.rendering import age, table

    now = datetime.now(UTC)
    rows = [
        [
            str(each.id)[:_SHOWN_DIGITS],
            f"{age(each.started_at, now)} ago",
            each.action,
            f"{each.letters:,}",
            "" if each.finished_at else "not finished",
            each.who,
            each.why,
        ]
        for each in done
    ]
    table(["what was done", "", "", "letters", "", "by", "why"], rows, right=["letters"])
