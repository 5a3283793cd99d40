"""Numbers by what they are called, as lines for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping

import click


def tell(found: Mapping[str, float], *, as_json: bool) -> None:
    """Print them."""
    if as_json:
        click.echo(json.dumps(found))
        return
    width = max(map(len, found))
    for label, value in found.items():
        click.echo(f"  {label:{width}} {value:,.2f}")
