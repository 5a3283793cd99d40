"""`omninode dead-letters`: the table of its commands."""

import click

from orchestrator.cli.table import Entry, Table

_HERE = "orchestrator.cli.deadletters"
_COMMANDS = {
    "archive": Entry(f"{_HERE}.closing:archive", "Put letters away that nobody has to deal with."),
    "list": Entry(f"{_HERE}.listing:list_", "List letters by what happened, or their groups."),
    "park": Entry(f"{_HERE}.closing:park", "Set letters aside until somebody reopens them."),
    "reindex": Entry(f"{_HERE}.reindexing:reindex", "Rebuild the letters from Kafka."),
    "reopen": Entry(f"{_HERE}.closing:reopen", "Have letters open again that were put away."),
    "replay": Entry(f"{_HERE}.replay:replay", "Enqueue dead tasks again, each once."),
    "show": Entry(f"{_HERE}.showing:show", "Show everything that happened to a letter."),
    "stats": Entry(f"{_HERE}.stats:stats", "Count letters, and show what waits and what was done."),
}


@click.group(cls=Table, entries=_COMMANDS)
def dead_letters() -> None:
    """Find the tasks that have failed for good, explain them, and deal with them."""
