"""`omninode stack`: start, stop and show the servers alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from rich.console import Console

from orchestrator.dev import environment, report, stacks
from orchestrator.dev.state import State
from orchestrator.errors import StackError

_Command = Callable[..., Any]


def _directory(text: str) -> Callable[[_Command], _Command]:
    kind = click.Path(file_okay=False, path_type=Path)
    return click.option("--dir", "directory", type=kind, metavar="DIR", help=text)


def _output(text: str) -> Callable[[_Command], _Command]:
    return click.option("--json", "as_json", is_flag=True, help=text)


_export = click.option(
    "--export", "as_exports", is_flag=True, help='Print lines for a shell: eval "$(… --export)".'
)


@click.group()
def stack() -> None:
    """Start, stop or show the servers alone: Redis, Kafka and PostgreSQL, for development and tests.

    They listen on free ports of the loopback interface, without passwords. They live and end together: where
    one of them ends, as by a signal, the others are stopped as well.
    """


@stack.command()
@_directory("Keep the data in this folder; without it they are removed at the end.")
@_output("Print the addresses as one JSON object.")
@_export
def start(*, directory: Path | None, as_json: bool, as_exports: bool) -> None:
    """Start the servers, and leave them running until `omninode stack stop`.

    They also end as soon as one of them does, as where Redis is killed: PostgreSQL and Kafka are stopped
    then. To see how a fleet does without one of its servers, freeze that one (kill -STOP, kill -CONT), or use
    servers of your own.
    """
    _refuse_both(as_json, as_exports)
    try:
        with report.on(Console(stderr=True)) as tell:
            started = stacks.start(directory, tell)
    except StackError as error:
        _fail(error)
    if as_json:
        click.echo(json.dumps(started.addresses))
    elif as_exports:
        _print_exports(started)
    else:
        _print(started)
        _print_exports(started)


@stack.command()
@_directory("The stack in this folder, rather than the only one that runs.")
@_output('Print {"stopped": [folder, …]}.')
@click.option("--all", "every", is_flag=True, help="Stop every stack of yours, those of other commands too.")
def stop(*, directory: Path | None, as_json: bool, every: bool) -> None:
    """Stop the servers that `omninode stack start` has left running; exits with 1 when there are none."""
    if directory and every:
        raise click.UsageError("--dir and --all exclude each other")
    found = stacks.find(directory)
    if not (directory or every):
        others, found = found, [each for each in found if each.who == stacks.WHO]
        if others and not found:
            click.echo(
                "no stack of `omninode stack start` runs; others do, and end with whoever started them:",
                err=True,
            )
            click.echo(
                "".join(f"  --dir {each.directory}   ({each.who})\n" for each in others), err=True, nl=False
            )
            sys.exit(1)
        _refuse_several(found, "--all")
    try:
        for each in found:
            stacks.stop(each)
    except StackError as error:
        _fail(error)
    if as_json:
        click.echo(json.dumps({"stopped": [each.directory for each in found]}))
    else:
        for each in found:
            click.echo(f"stopped {each.directory} ({'kept' if each.kept else 'removed'})")
    _need(found, directory)


@stack.command()
@_directory("Only the stack in this folder.")
@_output('Print {"stacks": [{"who", "directory", "addresses", "pids", …}, …]}.')
@_export
def status(*, directory: Path | None, as_json: bool, as_exports: bool) -> None:
    """Show what runs: addresses, processes and folders; exits with 1 when nothing does."""
    _refuse_both(as_json, as_exports)
    found = stacks.find(directory)
    if as_json:
        click.echo(json.dumps({"stacks": [asdict(each) for each in found]}, indent=2))
    elif as_exports:
        found = _meant_by_a_person(found)
        _refuse_several(found, "--json")
        for each in found:
            _print_exports(each)
    else:
        for each in found:
            _print(each)
    _need(found, directory)


def _print(shown: State) -> None:
    kept = "kept" if shown.kept else "removed at the end"
    click.echo(f"{shown.directory} ({kept}), by `{shown.who}`, process {shown.supervisor_pid}")
    places = dict(zip(("redis", "kafka", "postgres"), shown.addresses.values(), strict=False))
    places |= {"flower": shown.flower_url, "exporter": shown.exporter_url}
    for name, pid in sorted(shown.pids.items()):
        place = f"{places[name]} " if places.get(name) else ""
        click.echo(f"  {name:<9} {place}(process {pid})")
    if not shown.ready:
        click.echo("  is being started or stopped")
    elif not shown.kafka_is_real:
        click.echo("  Kafka is librdkafka's mock, in memory")


def _print_exports(shown: State) -> None:
    addresses = {name.upper(): value for name, value in shown.addresses.items()}
    if shown.exporter_url:
        addresses["OMNINODE_EXPORTER_PORT"] = str(urlsplit(shown.exporter_url).port)
    if addresses:
        click.echo("\n".join(environment.exports(addresses)))


def _refuse_both(as_json: bool, as_exports: bool) -> None:  # noqa: FBT001
    if as_json and as_exports:
        raise click.UsageError("--json and --export exclude each other")


def _meant_by_a_person(found: list[State]) -> list[State]:
    """Without those that a program or a test has started for itself, if that leaves any."""
    return [each for each in found if each.who.startswith("omninode ")] or found


def _refuse_several(found: list[State], way_out: str) -> None:
    if len(found) > 1:
        listed = "".join(f"\n  --dir {each.directory}   ({each.who})" for each in found)
        raise click.UsageError(f"several stacks run; name one of them, or use {way_out}:{listed}")


def _need(found: list[State], directory: Path | None) -> None:
    if not found:
        click.echo(f"no stack runs{f' in {directory}' if directory else ''}", err=True)
        sys.exit(1)


def _fail(error: StackError) -> None:
    click.echo(f"omninode: {error}", err=True)
    sys.exit(1)
