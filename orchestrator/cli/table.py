"""A group of commands by name: each is imported when it is asked for, so that `--help` stays fast."""

import importlib
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True)
class Entry:
    """A command as `module:attribute`, and its line in the list."""

    target: str
    summary: str


class Table(click.Group):
    """A group that imports a command's module only to run it or to show its own help."""

    def __init__(self, *args: Any, entries: dict[str, Entry], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """The names, sorted."""
        return sorted(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command itself."""
        if cmd_name not in self._entries:
            return None
        module, _, attribute = self._entries[cmd_name].target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._entries[name].summary) for name in self.list_commands(ctx)])
