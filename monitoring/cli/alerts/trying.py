"""`omninode alerts test`: does an alert arrive where alerts go?"""

from __future__ import annotations

import sys

import click


@click.command()
@click.option(
    "--to",
    "to",
    multiple=True,
    metavar="WHERE",
    help="event, webhook or alertmanager; else all. May be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def test(*, to: tuple[str, ...], as_json: bool) -> None:
    """Send an alert that says that it is only a test to where alerts go; it is kept nowhere.

    Exits with 0 when all have taken it, with 1 when one has not.
    """
    from monitoring.alerts import delivering
    from monitoring.cli.alerts.opening import opened
    from orchestrator import settings
    from orchestrator.cli.deadletters.rendering import echo_json, wrapped

    with opened() as (_, client):
        tried = delivering.test(settings.current(), client, to)
    if as_json:
        echo_json(
            {
                "tests": [
                    {"to": each.destination, "is": each.answer.kind, "why": each.answer.sentence}
                    for each in tried
                ]
            }
        )
    else:
        for each in tried:
            because = f": {each.answer.sentence}" if each.answer.sentence else ""
            click.echo(wrapped(f"{each.destination}  {each.answer.kind}{because}", 2))
    sys.exit(any(each.answer.kind != "taken" for each in tried))
