"""`omninode hooks`: ingest hooks from a file, and count what became of them."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from io import BufferedReader
from typing import TYPE_CHECKING

import click

from orchestrator.errors import SchemaError

if TYPE_CHECKING:
    from tasks.hooks.ingest import Ingest
    from tasks.hooks.ingest.patience import Patience

_INTERRUPTED = 130


@click.group()
def hooks() -> None:
    """Ingest hooks, and count what became of them."""


@hooks.command()
@click.option("--json", "as_json", is_flag=True, help="Print the JSON in one line.")
def stats(*, as_json: bool) -> None:
    """Print how many hooks were received, and what became of them, as JSON.

    received = processed + unhandled + failed, each delivery once; duplicates are deliveries that came again.
    """
    # PostgreSQL's and Celery's libraries are slow to import; --help must not wait for them.
    from tasks.hooks.stats import count

    with _sentences():
        _migrate()
        click.echo(json.dumps(asdict(count()), indent=None if as_json else 2))


@hooks.command()
@click.argument("file", type=click.File("rb"))
@click.option(
    "--max-queued",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Pause while the queue holds this many messages.",
)
@click.option(
    "--patience",
    "patience_seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up when nothing has moved for so long.",
)
@click.option("--no-wait", is_flag=True, help="Leave when everything is sent, not when it is processed.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def ingest(
    *, file: BufferedReader, max_queued: int, patience_seconds: float, no_wait: bool, as_json: bool
) -> None:
    """Ingest FILE, or standard input for -, and wait until every hook is processed.

    One JSON object a line: {"event", "payload"[, "source", "delivery_id"]}. Without a source it is "github",
    without an id a UUID of the content and its occurrence in this input: the same file again gives nothing
    new. A line that is no hook is reported with its number, and the rest goes on.

    Exits with 1 when a line was refused, a hook failed or the ingest was given up, and with 130 after Ctrl-C;
    running it again is safe.
    """
    from tasks.hooks.ingest.patience import IngestStopped, Patience

    patience = Patience(patience_seconds)
    with _sentences(), _opened(max_queued, patience) as run:
        ended, exit_code = "", 0
        try:
            run.send_all(file, _size(file))
            if not no_wait:
                run.wait(patience)
        except IngestStopped as error:
            ended, exit_code = f"stopped: {error}", 1
        except KeyboardInterrupt:
            ended, exit_code = "interrupted", _INTERRUPTED
        report = run.conclude()
    click.echo(json.dumps(asdict(report)) if as_json else report.sentence())
    if ended:
        click.echo(f"{ended}\nIt got to line {report.last_line}; running it again is safe.", err=True)
    sys.exit(exit_code or (0 if report.is_good else 1))


@contextmanager
def _opened(max_queued: int, patience: Patience) -> Iterator[Ingest]:
    from orchestrator import settings
    from orchestrator.celery import app
    from tasks.hooks.ingest import Ingest
    from tasks.hooks.ingest.occurrences import Occurrences
    from tasks.hooks.ingest.progress import display
    from tasks.hooks.ingest.sending import Sender
    from tasks.hooks.ingest.settling import Settling

    _migrate()
    with (
        display() as shown,
        Occurrences() as occurrences,
        Settling(patience, shown.note) as settling,
        Sender(app, max_queued, patience, shown.note) as sender,
    ):
        yield Ingest(sender, settling, occurrences, shown, settings.current().hook_max_bytes)


def _migrate() -> None:
    from orchestrator import schema, settings

    schema.migrate(settings.current().database_url)


def _size(file: BufferedReader) -> int | None:
    """How many bytes there are to read; None for a pipe."""
    try:
        status = os.fstat(file.fileno())
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


@contextmanager
def _sentences() -> Iterator[None]:
    """What went wrong around us is a sentence, and exit code 1."""
    import psycopg
    from psycopg_pool import PoolTimeout

    from orchestrator.errors import BreakerOpen
    from tasks.hooks.ingest.patience import IngestStopped

    try:
        yield
    except (SchemaError, IngestStopped, psycopg.OperationalError, PoolTimeout, BreakerOpen) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
