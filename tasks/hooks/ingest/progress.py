"""Shows how far an ingest is, on standard error: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from orchestrator import times

_LINE_EVERY_SECONDS = 5.0


class Display(Protocol):
    """Where progress goes."""

    def note(self, text: str) -> None:
        """Tell the reader something that is not progress."""

    def show(self, what: str, hooks: int, done: int, total: int | None) -> None:
        """`done` of `total` (bytes or hooks; None if unknown) are through; that is `hooks` hooks so far."""


@contextmanager
def display() -> Iterator[Display]:
    """A display that fits standard error."""
    if not sys.stderr.isatty():
        yield Lines(lambda text: click.echo(text, err=True))
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bars(progress)


class _Bars:
    """One bar for each of the things that are shown."""

    def __init__(self, progress: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = progress
        self._clock = clock
        self._began: dict[str, float] = {}
        self._bars: dict[str, TaskID] = {}

    def note(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def show(self, what: str, hooks: int, done: int, total: int | None) -> None:
        if what not in self._bars:
            self._began[what] = self._clock()
            self._bars[what] = self._progress.add_task(what, figures="")
        figures = _figures(hooks, self._clock() - self._began[what])
        self._progress.update(self._bars[what], completed=done, total=total, figures=figures)


class Lines:
    """A line every five seconds."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._what = ""
        self._began = self._told = clock()

    def note(self, text: str) -> None:
        """Write it at once."""
        self._write(text)

    def show(self, what: str, hooks: int, done: int, total: int | None) -> None:
        """Write a line, if it is time for one."""
        now = self._clock()
        if what != self._what:
            self._what, self._began, self._told = what, now, now
        if now - self._told < _LINE_EVERY_SECONDS:
            return
        self._told = now
        elapsed = now - self._began
        left = f", about {times.length(elapsed * (total - done) / done)} left" if total and done else ""
        share = f" ({done / total:.0%})" if total else ""
        self._write(f"{what}: {_figures(hooks, elapsed)}{share}{left}")


def _figures(hooks: int, seconds: float) -> str:
    return f"{hooks:,} hooks, {hooks / seconds:,.0f}/s" if seconds else f"{hooks:,} hooks"
