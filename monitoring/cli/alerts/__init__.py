"""`omninode alerts`: the table of its commands; without one of them it lists what is raised."""

import click

from orchestrator.cli.table import Entry, Table

_HERE = "monitoring.cli.alerts"
_COMMANDS = {
    "ack": Entry(f"{_HERE}.steering:ack", "Say that you know of an alert: it is not delivered again."),
    "history": Entry(f"{_HERE}.past:history", "Show what was raised, cleared, acknowledged and silenced."),
    "list": Entry(f"{_HERE}.listing:list_", "List the alerts that are raised."),
    "silence": Entry(f"{_HERE}.steering:silence", "Do not deliver alerts of a pattern for a while."),
    "silences": Entry(f"{_HERE}.listing:silences", "List what is silenced, until when, by whom and why."),
    "test": Entry(f"{_HERE}.trying:test", "Send an alert that is only a test to where alerts go."),
    "unsilence": Entry(f"{_HERE}.steering:unsilence", "Deliver alerts of a pattern again."),
}


@click.group(cls=Table, entries=_COMMANDS, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Without a command: print one JSON object.")
@click.pass_context
def alerts(context: click.Context, *, as_json: bool) -> None:
    """See the alerts of the whole fleet, acknowledge and silence them.

    Without a command it lists those that are raised, and exits with 0 when there is none, with 1 when there
    are some. Whatever cannot ask the broker's Redis exits with 3.
    """
    if context.invoked_subcommand is None:
        from monitoring.cli.alerts.listing import list_

        context.invoke(list_, as_json=as_json)
    elif as_json:
        raise click.UsageError("say --json after the command")
