"""`omninode breakers history`: what breakers did, and who changed them by hand."""

from __future__ import annotations

import click

_MOST_NAME = 40
_INDENT = 25
# Of what somebody has said: all of it is in --json.
_MOST_TEXT = 300


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
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
    """Show the transitions of all breakers, or of NAME, which may be a pattern: the latest first.

    About 10,000 of all breakers together are kept. "by itself" is one that nobody has set by hand.
    """
    from orchestrator.breaker import plain
    from orchestrator.cli.breakers.opening import store
    from orchestrator.cli.breakers.picking import ALL, is_pattern, pick, require
    from orchestrator.cli.breakers.rendering import change
    from orchestrator.cli.deadletters.rendering import echo_json, short, wrapped
    from orchestrator.times import moment

    with store() as fleet:
        names = fleet.names()
        by_pattern = name is not None and name not in names and is_pattern(name)
        found = fleet.history(name, most, by_pattern=by_pattern)
        if name is not None and not found and not by_pattern:
            require(pick((name,), names), names, ALL)
    if as_json:
        echo_json({"transitions": list(map(plain.transition, found))})
        return
    for each in found:
        about = f"{short(each.name, _MOST_NAME)}  " if name is None or by_pattern else ""
        click.echo(wrapped(f"{moment(each.at)}  {about}{_cut(change(each))}", _INDENT))
    if not found:
        of = "" if name is None else f" to a breaker that matches {name!r}" if by_pattern else f" to {name!r}"
        click.echo(f"nothing has happened{of} yet, as far back as the history goes")


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 1]}…"
