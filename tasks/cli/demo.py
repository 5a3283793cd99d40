"""`omninode demo`: the main job on real input, end to end, with a report that asks the servers."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

_INPUT = Path(__file__).parent.parent.parent / "examples" / "github-webhooks.jsonl"


@click.command()
@click.option(
    "--input",
    "lines",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=_INPUT,
    show_default="examples/github-webhooks.jsonl",
    help="The hooks to process, one JSON object a line.",
)
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep the data in this folder; without it they are removed at the end.",
)
@click.option(
    "--report-only", is_flag=True, help="Start and send nothing: report on the servers of the environment."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def demo(*, lines: Path, directory: Path | None, report_only: bool, as_json: bool) -> None:
    """Process real webhooks with a local AI model: on servers, a worker, beat and Flower of its own.

    The report's figures are asked of PostgreSQL and Redis afterwards. On a terminal everything stays up
    until Ctrl-C. Exits with 0, or with 1 when anything is missing.
    """
    if report_only:
        sys.exit(1 if _report(lines, as_json=as_json) else 0)
    # The servers' libraries are slow to import; --help must not wait for them.
    from orchestrator.dev.processes.interrupts import Interrupted  # noqa: PLC0415
    from orchestrator.errors import StackError  # noqa: PLC0415

    try:
        missing = _run(lines, directory, as_json=as_json)
    except Interrupted:
        click.echo("stopped", err=True)
        sys.exit(130)
    except StackError as error:
        click.echo(f"omninode: {error}", err=True)
        sys.exit(1)
    sys.exit(1 if missing else 0)


def _run(lines: Path, directory: Path | None, *, as_json: bool) -> list[str]:
    from orchestrator import settings  # noqa: PLC0415
    from orchestrator.dev import report  # noqa: PLC0415
    from orchestrator.dev.fleet import running_fleet  # noqa: PLC0415
    from tasks.demo.run import Servers, wait_for_the_texts  # noqa: PLC0415

    with (
        report.on(Console(stderr=True)) as tell,
        running_fleet(directory, report=tell, who="omninode demo") as fleet,
    ):
        addresses = fleet.stack.environment()
        settings.use(
            settings.load().model_copy(update={name.lower(): address for name, address in addresses.items()})
        )
        Servers(os.environ | addresses).ingest(lines)
        wait_for_the_texts(fleet.check)
        missing = _report(lines, as_json=as_json)
        if not as_json:
            _say_where_to_look(fleet.flower_url, addresses)
        if sys.stdin.isatty() and sys.stdout.isatty():
            click.echo("\nCtrl-C stops everything.")
            fleet.wait()
    return missing


def _report(lines: Path, *, as_json: bool) -> list[str]:
    """Ask, show, and return what is missing."""
    from orchestrator import postgres, redis, settings  # noqa: PLC0415
    from tasks.demo.expected import deliveries_of  # noqa: PLC0415
    from tasks.demo.figures import ask_for_figures  # noqa: PLC0415
    from tasks.demo.missing import whatever_is_missing  # noqa: PLC0415
    from tasks.demo.report import show  # noqa: PLC0415

    current = settings.current()
    expected = deliveries_of(lines, current.hook_max_bytes)
    with postgres.transaction() as database:
        figures = ask_for_figures(database, redis.client())
        missing = whatever_is_missing(database, expected, figures, current.similarity_threshold)
    if as_json:
        click.echo(json.dumps(asdict(figures) | {"missing": missing}))
    else:
        show(Console(), figures, missing)
    return missing


def _say_where_to_look(flower_url: str, addresses: dict[str, str]) -> None:
    click.echo("\nWhere to look while it is up:")
    click.echo(f"  tasks       {flower_url}/tasks")
    click.echo(f"  rows        psql {addresses['DATABASE_URL']}")
    click.echo(f"  queues      redis-cli -u {addresses['REDIS_URL']}")
