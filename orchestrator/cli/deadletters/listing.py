"""`omninode dead-letters list`: letters by what happened, the newest first, or their groups."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.deadletters.filtering import filter_options
from orchestrator.index.states import UNSETTLED

if TYPE_CHECKING:
    from orchestrator.index.filters import Filter
    from orchestrator.index.finding import Letter

# Words may be in every message: so many are counted at most where others are counted to the end.
_MOST_COUNTED_BY_WORDS = 500


@click.command("list")
@filter_options(UNSETTLED)
@click.option("-n", "most", type=click.IntRange(1, 10_000), default=20, show_default=True, help="At most.")
@click.option("--after", default="", metavar="CURSOR", help="The page after the one that ended with CURSOR.")
@click.option("--groups", "as_groups", is_flag=True, help="One line for letters of the same fingerprint.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_(*, filter_: Filter, most: int, after: str, as_groups: bool, as_json: bool) -> None:
    """List letters, the newest first: those with the IDS, or that the filter describes.

    A letter has one line, however often it died. --groups shows how many failed alike, since when, and how
    many in each of the last 24 hours.
    """
    if as_groups and after:
        raise click.UsageError("--after goes on with a list of letters: leave --groups away")
    if as_groups:
        _list_groups(filter_, most, as_json=as_json)
    else:
        _list_letters(filter_, most, after, as_json=as_json)


def _list_letters(filter_: Filter, most: int, after: str, *, as_json: bool) -> None:
    from orchestrator.cli.deadletters.opening import index
    from orchestrator.cli.deadletters.rendering import echo_json
    from orchestrator.cli.deadletters.waiting import waiting
    from orchestrator.index import finding

    with index() as connection:
        page = finding.find(connection, filter_, most, after)
        number, is_exact = len(page.letters), True
        if (page.next or after) and not filter_.text:
            number = finding.count(connection, filter_)
        elif page.next or after:
            number = finding.count_some(connection, filter_, _MOST_COUNTED_BY_WORDS + 1)
            is_exact = number <= _MOST_COUNTED_BY_WORDS
        unlisted = waiting(connection)
    if as_json:
        echo_json(
            {
                "letters": page.letters,
                "next": page.next,
                "count": number if is_exact else None,
                "waiting": unlisted,
            },
        )
        return
    if page.letters:
        _print(page.letters)
        of = f"{number:,}" if is_exact else f"more than {_MOST_COUNTED_BY_WORDS:,}"
        click.echo(f"{len(page.letters):,} of {of}")
    else:
        click.echo("no letter matches")
    if page.next:
        click.echo(f"the next page: --after {page.next}")
    if unlisted:
        click.echo(f"{unlisted:,} more {'waits' if unlisted == 1 else 'wait'} in the outbox for Kafka")


def _print(letters: list[Letter]) -> None:
    from orchestrator.cli.deadletters.rendering import age, error, short, table
    from orchestrator.index.naming import SHOWN_DIGITS

    now = datetime.now(UTC)
    rows: list[list[Any]] = [
        [
            each.id[:SHOWN_DIGITS],
            age(each.died_at, now),
            each.state,
            short(each.queue, 14),
            short(each.task, 22),
            error(each.exception, each.reason, each.message),
        ]
        for each in letters
    ]
    table(["id", "age", "state", "queue", "task", "error"], rows, right=["age"])


def _list_groups(filter_: Filter, most: int, *, as_json: bool) -> None:
    from orchestrator.cli.deadletters.opening import index
    from orchestrator.cli.deadletters.rendering import age, counted, echo_json, error, sparkline, table
    from orchestrator.index.groups import groups

    with index() as connection:
        found = groups(connection, filter_, most + 1)
    if as_json:
        echo_json({"groups": found[:most]})
        return
    if not found:
        click.echo("no letter matches")
        return
    now = datetime.now(UTC)
    rows = [
        [
            each.fingerprint,
            f"{each.letters:,}",
            age(each.first_seen, now),
            age(each.last_seen, now),
            sparkline(each.trend),
            error(each.exception, each.reason, each.message),
        ]
        for each in found[:most]
    ]
    header = ["fingerprint", "letters", "first", "last", "by hour, last 24 hours", "for example"]
    table(header, rows, right=["letters", "first", "last"])
    are_more = len(found) > most
    number = f"the largest {counted(most, 'group')} of more" if are_more else counted(len(found), "group")
    click.echo(f"{number}; the letters of one: omninode dead-letters list --fingerprint DIGITS")
