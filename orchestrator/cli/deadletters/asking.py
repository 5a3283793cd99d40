"""Whether a person is asked before many letters are changed: where nobody can be, --yes is wanted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from orchestrator.index.filters import Filter

YES = click.option(
    "--yes",
    is_flag=True,
    help="Do not ask. Ids are never asked about; a filter is, and needs it in a script.",
)


def must_ask(filter_: Filter, *, yes: bool) -> bool:
    """Whether the user has to be asked, as these are letters that were not named one by one.

    Raises:
        click.UsageError: there is no terminal on which that could be done.
    """
    if filter_.ids or yes:
        return False
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on: say --yes, or see first what --dry-run says")
    return True
