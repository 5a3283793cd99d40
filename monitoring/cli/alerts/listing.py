"""`omninode alerts list` and `silences`: what is raised, and what is kept from being delivered."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from orchestrator.alerts.record import Raised
    from orchestrator.alerts.standing import Standing

_INDENT = 2


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_(*, as_json: bool) -> None:
    """List the alerts that are raised, the worst first, then the oldest.

    Below each stands what is wrong and what to do; who knows of it; whether it is silenced; and when it was
    last judged, where that is ten minutes ago, or three intervals: then it may no longer be so.

    Exits with 0 when none is raised, with 1 when some are, with 3 when the broker's Redis cannot be asked.
    """
    from monitoring.cli.alerts.opening import opened
    from orchestrator.cli.deadletters.rendering import echo_json

    with opened() as (store, _):
        standing = store.read()
    found = sorted(standing.raised.values(), key=_worst_first)
    if as_json:
        echo_json({"alerts": [_told(each, standing) for each in found]})
    else:
        for each in found:
            _print(each, standing)
        if not found:
            click.echo("no alert is raised")
    sys.exit(bool(found))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def silences(*, as_json: bool) -> None:
    """List what is silenced, until when, by whom and why."""
    from monitoring.cli.alerts.opening import opened
    from orchestrator.cli.deadletters.rendering import echo_json, wrapped
    from orchestrator.times import moment

    with opened() as (store, _):
        standing = store.read()
    found = [each for each in standing.silences.values() if not each.is_over(standing.now)]
    if as_json:
        echo_json({"silences": [asdict(each) for each in found]})
        return
    for each in found:
        click.echo(wrapped(f"{each.pattern}  until {moment(each.until)}, by {each.who}: {each.why}", _INDENT))
    if not found:
        click.echo("nothing is silenced")


def _worst_first(alert: Raised) -> tuple[int, str, str]:
    from orchestrator.alerts.record import SEVERITIES

    known = alert.severity in SEVERITIES
    return -SEVERITIES.index(alert.severity) if known else 0, alert.since, alert.name


def _is_stale(alert: Raised, standing: Standing) -> bool:
    from orchestrator.settings import current

    return alert.is_stale(standing.now, current().perf_monitor_sampling_interval)


def _told(alert: Raised, standing: Standing) -> dict[str, Any]:
    silence = standing.silence_of(alert.name)
    shown = asdict(alert)
    del shown["clean_looks"], shown["is_told"], shown["is_absent"]
    return shown | {
        "sentence": alert.present_sentence,
        "is_stale": _is_stale(alert, standing),
        "silenced": asdict(silence) if silence else None,
    }


def _print(alert: Raised, standing: Standing) -> None:
    from orchestrator import times
    from orchestrator.alerts.record import seconds_since
    from orchestrator.cli.deadletters.rendering import wrapped

    lines = [alert.present_sentence]
    if alert.acknowledged:
        known = alert.acknowledged
        lines.append(f"acknowledged {times.moment(known.at)} by {known.who}: {known.why}")
    if silence := standing.silence_of(alert.name):
        lines.append(f"silenced until {times.moment(silence.until)} by {silence.who}: {silence.why}")
    if _is_stale(alert, standing):
        length = times.length(seconds_since(alert.seen_at, standing.now))
        lines.append(f"last seen {times.moment(alert.seen_at)}: nobody has judged it for {length}")
    click.echo(wrapped(f"{alert.severity}: {alert.name} since {times.moment(alert.since)}", _INDENT))
    for line in lines:
        click.echo(wrapped(f"{' ' * _INDENT}{line}", _INDENT))
