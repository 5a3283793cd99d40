"""`omninode alerts ack`, `silence`, `unsilence`: by hand, and kept with who did it and why."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click

from orchestrator.cli.lengths import LENGTH

_WHY = "Why: it is kept with who did it and when."


def _options(command: Any) -> Any:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
        click.option("--who", metavar="TEXT", help="Who does it; else the user and host of this command."),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("name")
@click.option("--why", required=True, metavar="TEXT", help=_WHY)
@_options
def ack(*, name: str, why: str, who: str | None, as_json: bool) -> None:
    """Say that you know of the alert NAME: it is not delivered again until it clears; its end is.

    Exits with 1 when it is not raised.
    """
    from monitoring.cli.alerts.opening import by, named, opened
    from orchestrator.cli.deadletters.rendering import echo_json, wrapped

    wanted, (somebody, reason) = named(name), by(who, why)
    with opened() as (store, _):
        alert = store.acknowledge(wanted, somebody, reason)
    if as_json:
        echo_json({"name": alert.name, "acknowledged": asdict(alert)["acknowledged"]})
    else:
        click.echo(wrapped(f"{alert.name} acknowledged by {somebody}", 2))


@click.command()
@click.argument("pattern")
@click.option(
    "--for", "seconds", type=LENGTH, required=True, metavar="LENGTH", help="As in 90s, 10m, 2h, 1d."
)
@click.option("--why", required=True, metavar="TEXT", help=_WHY)
@_options
def silence(*, pattern: str, seconds: float, why: str, who: str | None, as_json: bool) -> None:
    """Do not deliver alerts that match PATTERN, such as 'queue_age:*' or '*', for a while.

    They are raised and shown all the same. What is still raised when the time is over is delivered then.
    """
    from monitoring.cli.alerts.opening import by, named, opened
    from orchestrator.cli.deadletters.rendering import echo_json, wrapped
    from orchestrator.times import moment

    wanted, (somebody, reason) = named(pattern), by(who, why)
    with opened() as (store, _):
        # By Redis's clock, as it is read.
        until = store.read().now + timedelta(seconds=seconds)
        made = store.silence(wanted, until, somebody, reason)
    if as_json:
        echo_json(asdict(made))
    else:
        click.echo(wrapped(f"{made.pattern} silenced until {moment(made.until)}", 2))


@click.command()
@click.argument("pattern")
@click.option("--why", default="", metavar="TEXT", help=_WHY)
@_options
def unsilence(*, pattern: str, why: str, who: str | None, as_json: bool) -> None:
    """Deliver alerts that match PATTERN again; it is the one that was silenced, letter by letter.

    Exits with 1 when there is no such silence.
    """
    from monitoring.cli.alerts.opening import by, named, opened
    from orchestrator.cli.deadletters.rendering import echo_json, wrapped

    wanted, (somebody, _) = named(pattern), by(who, why or "by hand")
    with opened() as (store, _):
        store.unsilence(wanted, somebody, why.strip())
    if as_json:
        echo_json({"pattern": wanted, "unsilenced": True})
    else:
        click.echo(wrapped(f"{wanted} is delivered again", 2))
