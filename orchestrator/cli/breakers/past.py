"""`omninode breakers history`: what breakers did, and who changed them by hand."""

from __future__ import annotations

import click


@click.command()
@click.argument("name", required=False)
@click.option(
    "-n",
    "--limit",
    "most",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="At most so many, the latest ones.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def history(*, name: str | None, most: int, as_json: bool) -> None:
    """Show the transitions of the breaker NAME, or of all, the latest first, as far back as they are kept.

    About 10,000 of all breakers together are.
    """
    from dataclasses import asdict

    from orchestrator.cli.breakers.opening import store
    from orchestrator.cli.breakers.picking import pick, require
    from orchestrator.cli.breakers.rendering import change, moment
    from orchestrator.cli.deadletters.rendering import echo_json
    from orchestrator.redaction import printable

    with store() as fleet:
        found = fleet.history(name, most)
        if name is not None and not found:
            names = fleet.names()
            if name not in names:
                require(pick((name,), names), names)
    if as_json:
        echo_json({"transitions": [asdict(each) for each in found]})
        return
    for each in found:
        about = f"{each.name}  " if name is None else ""
        click.echo(printable(f"{moment(each.at)}  {about}{change(each)}"))
    if not found:
        click.echo("nothing has happened yet")
