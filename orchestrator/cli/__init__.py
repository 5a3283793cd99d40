"""`omninode …`: the table of commands; each is imported when it is asked for."""

import importlib
import sys
from dataclasses import dataclass

import click

from orchestrator.errors import OmniNodeError, SettingsError


@dataclass(frozen=True)
class _Entry:
    target: str
    summary: str


# By name, so that the lowest room need not know the rooms above it and `--help` stays fast.
_COMMANDS = {
    "adopt": _Entry("orchestrator.cli.queues:adopt", "Take over what stopped stock Celery workers left."),
    "demo": _Entry("tasks.cli.demo:demo", "Run the main job on real input, end to end, and report."),
    "dev": _Entry("orchestrator.cli.dev:dev", "Run servers, worker, beat and Flower until Ctrl-C."),
    "enqueue": _Entry("orchestrator.cli.enqueue:enqueue", "Enqueue a task, or many from a file."),
    "health": _Entry("monitoring.cli.health:health", "Say whether everything works, and what does not."),
    "hooks": _Entry("tasks.cli.hooks:hooks", "Ingest hooks, and count what became of them."),
    "queues": _Entry("orchestrator.cli.queues:queues", "Look into queues, pause and empty them."),
    "settings": _Entry("orchestrator.cli.settings:settings", "Show every setting and where it came from."),
    "stack": _Entry("orchestrator.cli.stack:stack", "Start, stop or show the servers alone."),
}


class _Commands(click.Group):
    """A group that imports a command's module only to run it or to show its own help."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name].target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name].summary) for name in self.list_commands(ctx)])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="omninode", prog_name="omninode")
def cli() -> None:
    """Celery that loses nothing: AI-model and webhook work on Redis, Kafka and PostgreSQL."""


def main() -> None:
    """Run the command line; an error of ours is a sentence, not a traceback."""
    try:
        cli(prog_name="omninode")
    except OmniNodeError as error:
        click.echo(f"omninode: {error}", err=True)
        sys.exit(2 if isinstance(error, SettingsError) else 1)
