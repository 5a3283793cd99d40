"""`omninode dev`: the servers and every kind of our processes in the foreground, until Ctrl-C."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from orchestrator.dev import banner, following, report
from orchestrator.dev.fleet import NAMES, Fleet, running_fleet
from orchestrator.dev.processes.interrupts import Interrupted
from orchestrator.errors import StackError


@click.command()
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep the data in this folder; without it they are removed at the end.",
)
@click.option(
    "--concurrency", type=click.IntRange(min=1), default=2, show_default=True, help="The worker's processes."
)
@click.option("--json", "as_json", is_flag=True, help="When ready, print one JSON object; logs go to stderr.")
def dev(*, directory: Path | None, concurrency: int, as_json: bool) -> None:
    """Run servers, worker, beat, relay, Flower and exporter until Ctrl-C; leave nothing running.

    The servers listen on free ports of the loopback interface, without passwords. A second Ctrl-C kills at
    once.
    Exits with 0 when it was stopped, with 1 when something did not start or has ended.
    """
    began = time.monotonic()
    fleet: Fleet | None = None
    try:
        with ExitStack() as spinner:
            tell = spinner.enter_context(report.on(Console(stderr=True)))
            with running_fleet(directory, concurrency, tell, who="omninode dev") as fleet:
                spinner.close()
                _introduce(fleet, time.monotonic() - began, as_json=as_json)
                fleet.wait(_shower(as_json=as_json))
                click.echo("stopping", err=True)
    except Interrupted:
        if fleet is None:
            click.echo("stopped before everything was ready", err=True)
            sys.exit(1)
    except StackError as error:
        click.echo(f"omninode: {error}", err=True)
        sys.exit(1)


def _introduce(fleet: Fleet, seconds: float, *, as_json: bool) -> None:
    if as_json:
        urls = {"flower_url": fleet.flower_url, "exporter_url": fleet.exporter_url}
        stack = asdict(fleet.stack) | {"directory": str(fleet.stack.directory)}
        click.echo(json.dumps(stack | urls | {"pids": fleet.pids}))
    else:
        click.echo("\n".join(banner.lines(fleet, seconds)))


def _shower(*, as_json: bool) -> Callable[[str, str], None]:
    prefixes = following.prefixes(NAMES)
    return lambda name, line: click.echo(prefixes[name] + line, err=as_json)
