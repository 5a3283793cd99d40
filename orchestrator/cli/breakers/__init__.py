"""`omninode breakers`: the table of its commands."""

import click

from orchestrator.cli.table import Entry, Table

_HERE = "orchestrator.cli.breakers"
_COMMANDS = {
    "close": Entry(f"{_HERE}.steering:close", "Let calls through again, and forget the failures."),
    "disable": Entry(f"{_HERE}.steering:disable", "Let every call through, and count none."),
    "history": Entry(f"{_HERE}.past:history", "Show what breakers did, and who changed them by hand."),
    "isolate": Entry(
        f"{_HERE}.steering:isolate", "Let no call through, and no probe, until that is taken back."
    ),
    "list": Entry(f"{_HERE}.listing:list_", "List the breakers of the fleet, and what they do now."),
    "open": Entry(f"{_HERE}.steering:open_", "Let no call through until a probe finds the dependency well."),
    "reset": Entry(f"{_HERE}.steering:reset", "Take back what was set by hand, and begin anew."),
    "shadow": Entry(f"{_HERE}.steering:shadow", "Let every call through, and count as if not."),
    "show": Entry(f"{_HERE}.showing:show", "Show everything about breakers."),
}


@click.group(cls=Table, entries=_COMMANDS)
def breakers() -> None:
    """See the circuit breakers that the whole fleet shares, and steer them by hand."""
