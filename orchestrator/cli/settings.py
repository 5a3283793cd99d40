"""`omninode settings`: each setting's value, and where it came from."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any

import click

from orchestrator import redaction
from orchestrator.policy import Policy
from orchestrator.settings import Settings, load

# The test suite's own; it is no setting of the product.
_NOT_SETTINGS = frozenset({"OMNINODE_TEST_STACK"})


@dataclass(frozen=True)
class Row:
    """One setting as it is shown."""

    variable: str
    value: str
    source: str
    meaning: str


@click.command()
@click.option("--explain", is_flag=True, help="Say below each what it is for, and in which unit.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object by variable.")
def settings(*, explain: bool, as_json: bool) -> None:
    """Show every setting: its variable, its value (secrets masked) and where it came from.

    Exits with 2, naming all of them, when a variable holds a value that is not allowed.
    """
    shown = list(rows(load()))
    if as_json:
        click.echo(json.dumps({row.variable: asdict(row) for row in shown}, indent=2))
    else:
        _print_table(shown, explain=explain)
    for name in unknown_variables():
        close = get_close_matches(name, [row.variable for row in shown], n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        click.echo(f"{name} is set but is not a setting{hint}", err=True)


def rows(loaded: Settings) -> Iterator[Row]:
    """All settings in the order of their definition."""
    for name, field in Settings.model_fields.items():
        variable = str(field.alias)
        source = "environment" if name in loaded.model_fields_set else "default"
        value = getattr(loaded, name)
        if value is None and variable in {"CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"}:
            value, source = loaded.redis_url, "REDIS_URL"
        yield Row(variable, redaction.setting(variable, _as_text(value)), source, field.description or "")


def unknown_variables() -> list[str]:
    """Variables that look like ours and are not: most often a slip of the pen."""
    known = {str(field.alias) for field in Settings.model_fields.values()} | _NOT_SETTINGS
    return sorted(name for name in os.environ if name.startswith("OMNINODE_") and name not in known)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, dict):
        # Of a policy only what is set holds: the rest is as the breaker of that name has it by itself.
        return json.dumps(
            {
                name: each.model_dump(mode="json", exclude_unset=isinstance(each, Policy))
                for name, each in value.items()
            }
        )
    return str(value)


def _print_table(shown: list[Row], *, explain: bool) -> None:
    name_width = max(len(row.variable) for row in shown)
    source_width = max(len(row.source) for row in shown)
    for row in shown:
        click.echo(f"{row.variable:<{name_width}}  {row.source:<{source_width}}  {row.value}")
        if explain:
            click.echo(f"    {row.meaning}\n")
