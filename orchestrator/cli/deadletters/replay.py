"""`omninode dead-letters replay`: dead tasks are enqueued again, each once, with an account."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from orchestrator.cli.deadletters.asking import YES, must_ask
from orchestrator.cli.deadletters.filtering import filter_options

if TYPE_CHECKING:
    from orchestrator.index.filters import Filter
    from orchestrator.replay.edit import Edit


@click.command()
@filter_options(("open",), states=("open", "parked"))
@click.option("--all", "all_", is_flag=True, help="All that are open, where no filter is given.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done, and what would not.")
@click.option("--to-queue", metavar="NAME", help="To this queue, rather than to each letter's own.")
@click.option(
    "--edit",
    "edit_json",
    metavar="JSON",
    help='With other arguments: {"args": […], "kwargs": {…}, "task": "name"}, any of them.',
)
@click.option(
    "--foreign", is_flag=True, help="The edited task is another program's: do not look for it here."
)
@click.option("--rate", type=click.FloatRange(min=0.01), metavar="N", help="At most N letters a second.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N letters.")
@click.option("--why", default="", metavar="TEXT", help="Noted with what was done, and by whom.")
@click.option(
    "--resume",
    "resumed",
    metavar="OPERATION",
    help="Go on with the replay that has this id, or whose id begins so.",
)
@YES
@click.option("--json", "as_json", is_flag=True, help="Print the account as one JSON object.")
def replay(
    *,
    filter_: Filter,
    all_: bool,
    dry_run: bool,
    to_queue: str | None,
    edit_json: str | None,
    foreign: bool,
    rate: float | None,
    limit: int | None,
    why: str,
    resumed: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Enqueue dead tasks again: those with the IDS, or that the filter describes.

    Each keeps its task id, and its letter says what became of it. Ctrl-C finishes the batch in hand; what was
    interrupted, or killed, is continued with --resume and loses and doubles nothing. While a queue is paused,
    letters for it wait. Letters that were replayed in vain OMNINODE_MAX_REPLAYS times are parked: with
    --state parked they are replayed once more.

    Exits with 0 when all were enqueued, with 1 when some could not be, or Redis or PostgreSQL went away, and
    with 2, before anything is done, when the edit does not fit; with 130 after Ctrl-C, 143 after SIGTERM.
    """
    from orchestrator.cli.deadletters.replaying import desk
    from orchestrator.index.operations import FEWEST_DIGITS, digits, identity
    from orchestrator.replay.order import begin, find, is_bounded, order

    is_filtered = is_bounded(filter_)
    if resumed is not None and (
        all_ or dry_run or is_filtered or to_queue or edit_json or foreign or rate or limit
    ):
        raise click.UsageError("--resume goes on with the filter and the options that the replay began with")
    if resumed is not None and not digits(resumed):
        raise click.UsageError(
            f"--resume wants a replay's id, or {FEWEST_DIGITS} or more of its first digits"
        )
    if not resumed and not all_ and not is_filtered:
        raise click.UsageError("say which: name ids or a filter (see --help), or --all")
    # A state may be said of all.
    if all_ and is_bounded(replace(filter_, states=())):
        raise click.UsageError("--all is for no filter: leave one of them away")
    if to_queue is not None and not to_queue.strip():
        raise click.UsageError("--to-queue wants the name of a queue; leave it away for each letter's own")
    if foreign and edit_json is None:
        raise click.UsageError("--foreign is about the task of an --edit: leave it away, or say --edit")
    edit = _read_edit(edit_json)
    asks = not dry_run and not resumed and must_ask(filter_, yes=yes)
    with desk(as_json=as_json) as at:
        if resumed:
            sys.exit(at.run(find(at.connection, resumed)))
        asked = order(
            filter_,
            to_queue=to_queue or "",
            edit=edit,
            rate=rate,
            limit=limit,
            is_foreign=foreign,
            prefix=at.channel.global_keyprefix,
        )
        if dry_run:
            sys.exit(at.plan(asked))
        at.check(asked)
        at.warn(asked)
        if asks:
            at.ask(asked)
        sys.exit(at.run(begin(at.connection, asked, identity(), why)))


def _read_edit(text: str | None) -> Edit | None:
    from orchestrator.errors import InvalidEdit
    from orchestrator.replay.edit import Edit

    if text is None:
        return None
    try:
        return Edit.from_json(json.loads(text))
    except InvalidEdit as error:
        raise click.UsageError(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"--edit is no JSON ({error})") from None
