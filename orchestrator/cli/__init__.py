"""`omninode …`: the table of commands; each is imported when it is asked for."""

import sys

import click

from orchestrator.cli import pipe
from orchestrator.cli.table import Entry, Table
from orchestrator.errors import OmniNodeError, SettingsError

# By name, so that the lowest room need not know the rooms above it and `--help` stays fast.
_COMMANDS = {
    "adopt": Entry("orchestrator.cli.queues:adopt", "Take over what stopped stock Celery workers left."),
    "alerts": Entry("monitoring.cli.alerts:alerts", "See the fleet's alerts, acknowledge and silence them."),
    "breakers": Entry(
        "orchestrator.cli.breakers:breakers", "See the fleet's circuit breakers, and steer them by hand."
    ),
    "dashboard": Entry("monitoring.cli.dashboard:dashboard", "Show the main figures of the fleet."),
    "dead-letters": Entry(
        "orchestrator.cli.deadletters:dead_letters", "Find, explain and replay what has failed for good."
    ),
    "demo": Entry("tasks.cli.demo:demo", "Run the main job on real input, end to end, and report."),
    "dev": Entry("orchestrator.cli.dev:dev", "Run servers, worker, beat, relay, Flower and exporter."),
    "enqueue": Entry("orchestrator.cli.enqueue:enqueue", "Enqueue a task, or many from a file."),
    "exporter": Entry("monitoring.cli.exporter:exporter", "Tell Prometheus and people how the fleet is."),
    "health": Entry("monitoring.cli.health:health", "Say whether everything works, and what does not."),
    "hooks": Entry("tasks.cli.hooks:hooks", "Ingest hooks, and count what became of them."),
    "metrics": Entry("monitoring.cli.metrics:metrics", "Show what was counted, by component and time."),
    "queues": Entry("orchestrator.cli.queues:queues", "Look into queues, pause and empty them."),
    "relay": Entry("orchestrator.cli.relay:relay", "Move dead letters to Kafka and into the index."),
    "running": Entry("orchestrator.cli.running:running", "Show what runs now, where, and until when."),
    "settings": Entry("orchestrator.cli.settings:settings", "Show every setting and where it came from."),
    "stack": Entry("orchestrator.cli.stack:stack", "Start, stop or show the servers alone."),
    "task": Entry("orchestrator.cli.task:task", "Say where a task is, and what happened to it."),
}


@click.group(cls=Table, entries=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="omninode", prog_name="omninode")
def cli() -> None:
    """Celery that loses nothing: AI-model and webhook work on Redis, Kafka and PostgreSQL."""


def main() -> None:
    """Run the command line; an error of ours is a sentence, not a traceback."""
    pipe.watch()
    try:
        cli(prog_name="omninode")
    except OmniNodeError as error:
        click.echo(f"omninode: {error}", err=True)
        sys.exit(2 if isinstance(error, SettingsError) else 1)
