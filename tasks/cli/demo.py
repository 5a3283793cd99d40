"""`omninode demo`: the main job on real input, end to end, with a report that asks the servers."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

if TYPE_CHECKING:
    from orchestrator.dev.fleet import Fleet
    from tasks.demo.report import Acts
    from tasks.hooks.delivery import Delivery

    Deliveries = dict[str, Delivery]

_PROCESSES = 2
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
    """Process real webhooks with a local AI model: on servers, a worker, beat, relay and Flower of its own.

    Then some tasks die, and are replayed until no dead letter is open; and a model's server goes away and
    returns while it is called. The report's figures are asked of PostgreSQL, Redis and that server; it ends
    with those of the dashboard, which have to be the same.
    On a terminal everything stays up until Ctrl-C. Exits with 0, with 1 when anything is missing, and with
    130 when it was stopped before the report.
    """
    # The servers' libraries are slow to import; --help must not wait for them.
    from psycopg import OperationalError
    from redis.exceptions import RedisError

    from orchestrator.dev import environment
    from orchestrator.dev.processes.interrupts import Interrupted
    from orchestrator.errors import SchemaError, StackError

    try:
        if report_only:
            missing = _report_only(lines, as_json=as_json)
        else:
            with environment.entered({}):
                deliveries = _deliveries(lines)
            missing = _run(lines, deliveries, directory, as_json=as_json)
    except Interrupted:
        click.echo("stopped before the report", err=True)
        sys.exit(130)
    except (SchemaError, StackError, OperationalError, RedisError) as error:
        click.echo(f"omninode: {error}", err=True)
        sys.exit(1)
    sys.exit(1 if missing else 0)


def _run(lines: Path, deliveries: Deliveries, directory: Path | None, *, as_json: bool) -> list[str]:
    from orchestrator.breaker import hub
    from orchestrator.dev import environment, report
    from orchestrator.dev.fleet import running_fleet
    from tasks.demo import dying, measured, outage
    from tasks.demo.endpoint import serving
    from tasks.demo.report import Acts
    from tasks.demo.run import send, wait_for_the_texts

    with (
        ExitStack() as spinner,
        serving() as endpoint,
        environment.entered(dying.imported() | outage.environment(endpoint)),
    ):
        tell = spinner.enter_context(report.on(Console(stderr=True)))
        with running_fleet(directory, _PROCESSES, tell, "omninode demo") as fleet, ExitStack() as ending:
            # Before its Redis ends, which it would tell of.
            ending.callback(hub.forget)
            spinner.close()
            send(fleet, lines)
            wait_for_the_texts(fleet.check)
            letters, away = dying.play(fleet), outage.play(fleet, endpoint, _PROCESSES)
            acts = Acts(letters, away, measured.look(fleet))
            missing = _report(deliveries, acts, as_json=as_json)
            stay(fleet, as_json=as_json)
    return missing


def stay(fleet: Fleet, *, as_json: bool) -> None:
    """Stay up until Ctrl-C on a terminal; elsewhere nobody looks around, and all is gone soon."""
    from orchestrator.dev.processes.interrupts import Interrupted

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    if not as_json:
        _say_where_to_look(fleet.flower_url, fleet.stack.environment())
    # However soon it comes: the report is there.
    with suppress(Interrupted):
        click.echo("\nCtrl-C stops everything.")
        fleet.wait()


def _report_only(lines: Path, *, as_json: bool) -> list[str]:
    from orchestrator import schema, settings
    from tasks.demo.report import Acts

    deliveries = _deliveries(lines)
    # It says within seconds when the server is away.
    schema.migrate(settings.current().database_url)
    return _report(deliveries, Acts(), as_json=as_json)


def _deliveries(lines: Path) -> Deliveries:
    from orchestrator import settings
    from tasks.demo.expected import deliveries_of

    return deliveries_of(lines, settings.current().hook_max_bytes)


def _report(deliveries: Deliveries, acts: Acts, *, as_json: bool) -> list[str]:
    """Ask, show, and return what is missing."""
    from orchestrator import postgres, redis, settings
    from tasks.demo.figures import ask_for_figures
    from tasks.demo.missing import whatever_is_missing
    from tasks.demo.report import show

    with postgres.transaction() as database:
        figures = ask_for_figures(database, redis.client())
        threshold = settings.current().similarity_threshold
        missing = whatever_is_missing(database, deliveries, figures, threshold)
    missing += acts.missing()
    if as_json:
        click.echo(json.dumps(asdict(figures) | asdict(acts) | {"missing": missing}))
    else:
        show(Console(), figures, acts, missing)
    return missing


def _say_where_to_look(flower_url: str, addresses: dict[str, str]) -> None:
    click.echo("\nWhere to look while it is up:")
    click.echo(f"  tasks       {flower_url}/tasks")
    click.echo(f"  rows        psql {addresses['DATABASE_URL']}")
    click.echo(f"  queues      redis-cli -u {addresses['REDIS_URL']}")
