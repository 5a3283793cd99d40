"""`omninode dead-letters reindex`: the letters' own columns are rebuilt from Kafka."""

from __future__ import annotations

import sys

import click


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def reindex(*, yes: bool, as_json: bool) -> None:
    """Read all dead-letter topics from their beginning, and write what is missing or differs.

    States, history, edits and messages that are kept in PostgreSQL stay as they are. It may run beside
    relays, and again after it was stopped.
    """
    from orchestrator import settings
    from orchestrator.cli.deadletters.opening import index
    from orchestrator.cli.deadletters.rendering import counted, echo_json
    from orchestrator.cli.progress import bar
    from orchestrator.relay.indexing.reindexing import reindex as rebuild

    if not yes and sys.stdin.isatty():
        click.confirm("Read all dead-letter topics anew?", abort=True, err=True)
    with index(), bar() as show:
        account = rebuild(settings.current(), show)
    if as_json:
        echo_json({"account": account})
        return
    click.echo(f"{counted(account.read, 'record')} read")
    for number, one, several in (
        (account.letters_new, "letter is new", "letters are new"),
        (account.deaths_new, "death is new", "deaths are new"),
        (
            account.rewritten,
            "death was not what its record says, and now is",
            "deaths were not what their records say, and now are",
        ),
        (
            account.forgotten,
            "record belongs to a letter that was closed and deleted",
            "records belong to letters that were closed and deleted",
        ),
        (
            account.kept_without_record,
            "death has no record in Kafka, and stays",
            "deaths have no record in Kafka, and stay",
        ),
    ):
        if number:
            click.echo(f"{number:9,}  {one if number == 1 else several}")
