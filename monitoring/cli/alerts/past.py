"""`omninode alerts history`: what was raised, cleared, acknowledged and silenced."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.deadletters.filtering import MOMENT

if TYPE_CHECKING:
    from orchestrator.alerts.history import Entry

_INDENT = 25


@click.command()
@click.option("--since", type=MOMENT, help="What happened then or later: ISO 8601, or 90s, 15m, 6h, 2d.")
@click.option("--name", "pattern", metavar="PATTERN", help="Only of alerts that match, as in 'queue_age:*'.")
@click.option(
    "-n", "--limit", "most", type=click.IntRange(1, 10_000), default=50, show_default=True,
    help="At most so many, the latest ones.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def history(*, since: datetime | None, pattern: str | None, most: int, as_json: bool) -> None:
    """Show what became of alerts and silences, the latest first; about 10,000 changes are kept."""
    from monitoring.cli.alerts.opening import opened
    from orchestrator import settings
    from orchestrator.alerts import history as past
    from orchestrator.cli.deadletters.rendering import echo_json, wrapped
    from orchestrator.times import moment

    begin = since.timestamp() if since else 0.0
    with opened() as (_, client):
        entries = past.latest(client, settings.current().key_prefix, begin)
    found = [each for each in entries if pattern is None or fnmatchcase(each.alert, pattern)][:most]
    if as_json:
        echo_json({"history": [_told(each) for each in found]})
        return
    for each in found:
        click.echo(wrapped(f"{moment(each.at)}  {each.alert}  {words(each)}", _INDENT))
    if not found:
        click.echo("nothing has happened, as far back as was asked and as the history goes")


def words(entry: Entry) -> str:
    """What happened, in words."""
    from orchestrator.times import moment

    by = f" by {entry.who}" if entry.who else ""
    because = f": {entry.why}" if entry.why else ""
    told = f"{entry.severity}: {entry.sentence}"
    return {
        "raised": f"raised, {told}",
        "still_raised": f"still raised after its silence, {told}",
        "severity": f"{entry.before} → {told}",
        "cleared": f"cleared{because or f' (it was raised {moment(entry.since)})'}",
        "acknowledged": f"acknowledged{by}{because}",
        "silenced": f"silenced until {moment(entry.until)}{by}{because}",
        "unsilenced": f"no longer silenced{by}{because}",
        "silence_ended": f"no longer silenced: the time is over (it was silenced{by}{because})",
    }.get(entry.event, f"{entry.event}{by}{because}")


def _told(entry: Entry) -> dict[str, Any]:
    from orchestrator.times import iso

    return asdict(entry) | {"at": iso(entry.at)}
