"""`omninode metrics`: what was counted in a time, by component, as far back as the history goes."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.deadletters.filtering import MOMENT

if TYPE_CHECKING:
    from monitoring.cli.metrics.rendering import Periods
    from monitoring.history.known import Known

_INTERRUPTED = 130


@click.command()
@click.option("--since", type=MOMENT, default="24h", show_default=True,
              help="From then on: ISO 8601, or 90s, 15m, 6h, 2d.")  # fmt: skip
@click.option("--until", type=MOMENT, help="Until then, instead of now.")
@click.option("--by", "tier", type=click.Choice(["minute", "hour", "day"]), help="Each of these by itself.")
@click.option("--component", "components", multiple=True, metavar="NAME",
              help="Only this component or task; may be repeated.")  # fmt: skip
@click.option("--operation", "by_operation", is_flag=True, help="Also each operation by itself.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with all that is known.")
@click.option("--prometheus", "as_prometheus", is_flag=True, help="Print it as Prometheus' text.")
def metrics(
    *,
    since: datetime,
    until: datetime | None,
    tier: Any,
    components: tuple[str, ...],
    by_operation: bool,
    as_json: bool,
    as_prometheus: bool,
) -> None:
    """Show what the fleet has counted: calls, their durations, and what went wrong.

    p50, p95 and p99 say how long half, 95 % and 99 % of the calls took at most; WAIT is the p95 of how long
    tasks waited for their first start; LIMIT how often a time limit struck, DEAD how many dead letters there
    were. Minutes are in UTC. They are known for PERF_MONITOR_RETENTION_HOURS, hours for 90 days, days for two
    years; a time without --by begins with the minute, hour or day that it can begin with.

    Exits with 1 where a part could not be found out: what is shown is then too little.
    """
    from monitoring.cli.metrics import rendering

    if until and since >= until:
        raise click.UsageError("--since is not before --until: nothing can lie between them")
    if as_prometheus and (as_json or tier):
        raise click.UsageError("--prometheus goes with neither --json nor --by")
    if since > datetime.now(UTC):
        raise click.UsageError("--since lies ahead: nothing has been counted since")
    try:
        known = _know(since, until, tier, components)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    periods = _periods(known, components)
    if as_json:
        rendering.echo(periods, known.unknown)
    elif as_prometheus:
        rendering.prometheus(sums for _, sums in periods)
    else:
        rendering.table(periods, tier, by_operation=by_operation)
    for sentence in known.unknown.values():
        click.echo(f"omninode: {sentence}", err=True)
    sys.exit(bool(known.unknown))


def _know(since: datetime, until: datetime | None, tier: Any, components: tuple[str, ...]) -> Known:
    from monitoring.history.known import know
    from orchestrator import settings

    return know(settings.current(), since, until, tier, components)


def _periods(known: Known, components: tuple[str, ...]) -> Periods:
    from monitoring.cli.metrics.figures import only

    return [(each.starts_at, only(each.sums, components)) for each in known.periods]
