"""Reads what is known of breakers; one that cannot be read does not hide the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from orchestrator.breaker.details import Details
    from orchestrator.breaker.store import Store


def read(fleet: Store, names: Iterable[str]) -> list[Details]:
    """The details of those that can be read; of the others it is said on stderr why not."""
    from redis.exceptions import ResponseError

    from orchestrator.redaction import printable

    found = []
    for name in names:
        try:
            details = fleet.details(name)
        except ResponseError as error:
            click.echo(printable(f"{name} cannot be read: {error}"), err=True)
        else:
            found += [details] if details else []
    return found
