"""`omninode dead-letters archive`, `park` and `reopen`: letters are put away and taken out again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.deadletters.asking import YES, must_ask
from orchestrator.cli.deadletters.filtering import filter_options

if TYPE_CHECKING:
    from orchestrator.index.closing import Action, Closed
    from orchestrator.index.filters import Filter

_DONE: dict[Action, str] = {"archive": "archived", "park": "parked", "reopen": "reopened"}


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
        YES,
        click.option("--dry-run", is_flag=True, help="Only say how many letters that would be."),
        click.option(
            "--why",
            default="",
            metavar="TEXT",
            help="Why: it is kept with who did it and when.  [required, except with --dry-run]",
        ),
    ):
        command = option(command)
    return command


@click.command()
@filter_options(("open", "replaying", "parked"), bulk=True)
@_options
def archive(**options: Any) -> None:
    """Put letters away that are open or parked: nobody has to deal with them any more.

    Those with the IDS, or that the filter describes. What is being replayed is left alone, and counted.
    """
    _run("archive", **options)


@click.command()
@filter_options(("open", "replaying"), bulk=True)
@_options
def park(**options: Any) -> None:
    """Set open letters aside: no replay takes them until they are reopened, or --state parked is said.

    Those with the IDS, or that the filter describes. What is being replayed is left alone, and counted.
    """
    _run("park", **options)


@click.command()
@filter_options(("parked", "archived"), bulk=True)
@_options
def reopen(**options: Any) -> None:
    """Have letters open again that are archived or parked, or resolved if --state says so.

    Those with the IDS, or that the filter describes.
    """
    _run("reopen", **options)


def _run(action: Action, *, filter_: Filter, why: str, dry_run: bool, yes: bool, as_json: bool) -> None:
    from orchestrator.cli.deadletters.opening import index
    from orchestrator.cli.deadletters.rendering import counted
    from orchestrator.cli.progress import bar
    from orchestrator.index import closing
    from orchestrator.index.operations import identity

    if not dry_run and not why.strip():
        raise click.UsageError("say --why: it is kept with who did it and when")
    asks = not dry_run and must_ask(filter_, yes=yes)
    with index() as connection:
        done = closing.preview(connection, action, filter_)
        if not dry_run and done.changed:
            if asks:
                click.confirm(f"{action.title()} {counted(done.changed, 'letter')}?", abort=True, err=True)
            with bar() as show:
                done = closing.close(connection, action, filter_, identity(), why, show)
    _tell(action, done, dry_run=dry_run, as_json=as_json)


def _tell(action: Action, done: Closed, *, dry_run: bool, as_json: bool) -> None:
    from orchestrator.cli.deadletters.rendering import echo_json

    if as_json:
        echo_json(
            {
                "operation": done.operation_id,
                _DONE[action]: 0 if dry_run else done.changed,
                "would_be": done.changed if dry_run else 0,
                "skipped": done.skipped,
            }
        )
        return
    if not done.changed and not done.skipped:
        click.echo("no letter matches")
        return
    click.echo(f"{done.changed:,} {'would be ' if dry_run else ''}{_DONE[action]}")
    for state, letters in done.skipped.items():
        click.echo(f"{letters:,} left as {'it is' if letters == 1 else 'they are'}: {state}")
