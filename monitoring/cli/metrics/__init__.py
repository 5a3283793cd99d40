"""`omninode metrics`: what was counted in a time, by component, as far back as the history goes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from monitoring.cli.metrics.minutes import MINUTE

if TYPE_CHECKING:
    from monitoring.cli.metrics.rendering import Periods
    from monitoring.history.known import Known

_INTERRUPTED = 130
_MOST_ON_A_TERMINAL = 30


@click.command()
@click.option("--since", type=MINUTE, default="24h", show_default=True,
              help="From that minute on: ISO 8601, or 15m, 6h, 2d.")  # fmt: skip
@click.option("--until", type=MINUTE, help="Until before that minute, instead of now.")
@click.option("--by", "tier", type=click.Choice(["minute", "hour", "day"]), help="Each of these by itself.")
@click.option("--component", "components", multiple=True, metavar="NAME",
              help="Only this component or task; may be repeated.")  # fmt: skip
@click.option("--operation", "by_operation", is_flag=True, help="Also each operation by itself.")
@click.option("--top", "most", type=click.IntRange(min=0), metavar="N",
              help=f"Only the N called most, or 0 for all; on a terminal {_MOST_ON_A_TERMINAL}.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with all that is known.")
@click.option("--prometheus", "as_prometheus", is_flag=True, help="Print it as Prometheus' text.")
def metrics(
    *,
    since: datetime,
    until: datetime | None,
    tier: Any,
    components: tuple[str, ...],
    by_operation: bool,
    most: int | None,
    as_json: bool,
    as_prometheus: bool,
) -> None:
    """Show what the fleet has counted: calls, their durations, and what went wrong.

    OK and DIED say how many deliveries of a task succeeded or became a dead letter, and are exact. Calls,
    errors and durations come from the processes, and lack the last second of one that was killed.

    p50, p95 and p99 say how long half, 95 % and 99 % of the calls took at most; WAIT is the p95 of how long
    tasks waited for their first start; LIMIT how often a time limit struck. Where there is no room for all,
    p50 is left out. Minutes are in UTC. They are known for PERF_MONITOR_RETENTION_HOURS, hours for 90 days,
    days for two years; a time without --by begins with the minute, hour or day that it can begin with.

    Exits with 1 where a part could not be found out, and what is shown is too little; and where no component
    of a name was ever counted.
    """
    from monitoring.cli.metrics import rendering
    from monitoring.cli.metrics.figures import only
    from orchestrator import redaction
    from orchestrator.tally.names import name

    if until and since >= until:
        raise click.UsageError("--since is not before --until: nothing can lie between them")
    if as_prometheus and (as_json or tier):
        raise click.UsageError("--prometheus goes with neither --json nor --by")
    if most is not None and (as_json or as_prometheus):
        raise click.UsageError("--top goes with neither --json nor --prometheus: they have all")
    if since > datetime.now(UTC):
        raise click.UsageError("--since lies ahead: nothing has been counted since")
    wanted = tuple(map(name, components))
    try:
        known = _know(since, until, tier, wanted)
        periods = [(each.starts_at, only(each.sums, wanted)) for each in known.periods]
        unknown = {**known.unknown, **_never_counted(periods, wanted)}
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    if as_json:
        rendering.echo(periods, unknown)
    elif as_prometheus:
        rendering.prometheus(sums for _, sums in periods)
    else:
        _show(periods, tier, by_operation=by_operation, most=_most(most, wanted))
    for sentence in unknown.values():
        click.echo(f"omninode: {redaction.printable(sentence)}", err=True)
    sys.exit(bool(unknown))


def _most(given: int | None, wanted: Sequence[str]) -> int:
    """How many components are shown; 0 is all."""
    if given is not None:
        return given
    return _MOST_ON_A_TERMINAL if sys.stdout.isatty() and not wanted else 0


def _show(periods: Periods, tier: Any, *, by_operation: bool, most: int) -> None:
    from monitoring.cli.metrics import rendering
    from monitoring.cli.metrics.figures import busiest, only

    names = busiest(sums for _, sums in periods)
    left_out = len(names[most:]) if most else 0
    if left_out:
        periods = [(at, only(sums, names[:most])) for at, sums in periods]
    rendering.table(periods, tier, by_operation=by_operation, left_out=left_out)


def _never_counted(periods: Periods, wanted: Sequence[str]) -> dict[str, str]:
    from monitoring.cli.metrics.figures import busiest
    from monitoring.history.names import sentences
    from orchestrator import settings

    counted = busiest(sums for _, sums in periods)
    return sentences(settings.current(), [each for each in wanted if each not in counted])


def _know(since: datetime, until: datetime | None, tier: Any, components: tuple[str, ...]) -> Known:
    from monitoring.history.known import know
    from orchestrator import settings

    return know(settings.current(), since, until, tier, components)
