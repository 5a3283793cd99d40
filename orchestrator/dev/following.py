"""Follows the logs of several processes, line by line, each line with the name of its process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import click

_COLOURS = ("green", "cyan", "magenta", "yellow", "blue", "bright_red")


class Follower:
    """What one log says from now on."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self._log = log.open("rb")
        self._log.seek(0, 2)
        self._begun = b""

    def lines(self) -> Iterator[str]:
        """The lines that have been finished since the last time."""
        *whole, self._begun = (self._begun + self._log.read()).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace").rstrip("\r")

    def close(self) -> None:
        """Close the file."""
        self._log.close()


def prefixes(names: Iterable[str]) -> dict[str, str]:
    """What stands before the lines of each process: its name, in a colour of its own, all of one width."""
    ordered = list(names)
    width = max((len(name) for name in ordered), default=0)
    return {
        name: click.style(f"{name:<{width}} | ", fg=_COLOURS[place % len(_COLOURS)])
        for place, name in enumerate(ordered)
    }
