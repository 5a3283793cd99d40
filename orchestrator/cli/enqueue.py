"""`omninode enqueue`: one task from the command line, or many from a file of JSON lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from io import BufferedReader
from math import isnan
from typing import TYPE_CHECKING
from uuid import uuid4

import click

from orchestrator.cli import calls

if TYPE_CHECKING:
    from celery import Celery

    from orchestrator.cli.sending import Many, Sender

_NO_ARGS, _NO_KWARGS = "[]", "{}"
_INTERRUPTED = 130
# A year: what is later is a slip of the pen, and dates end somewhere.
_LONGEST_COUNTDOWN_SECONDS = 31_536_000


def _refuse_nan(_ctx: click.Context, _parameter: click.Parameter, value: float | None) -> float | None:
    if value is not None and isnan(value):
        raise click.BadParameter("must be a number of seconds")
    return value


@click.command()
@click.argument("task")
@click.option(
    "--args", "args_json", default=_NO_ARGS, metavar="JSON", help="Positional arguments: a JSON array."
)
@click.option(
    "--kwargs", "kwargs_json", default=_NO_KWARGS, metavar="JSON", help="Keyword arguments: a JSON object."
)
@click.option(
    "--many",
    type=click.File("rb"),
    metavar="FILE",
    help='Enqueue once a line of FILE (- for standard input): {"args": […], "kwargs": {…}}.',
)
@click.option("--queue", help="Send to this queue rather than to the task's own.")
@click.option(
    "--countdown",
    type=click.FloatRange(min=0, max=_LONGEST_COUNTDOWN_SECONDS),
    callback=_refuse_nan,
    metavar="SECONDS",
    help="Do not run it earlier than this.",
)
@click.option("--foreign", is_flag=True, help="The task is another program's: do not look for it here.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def enqueue(
    *,
    task: str,
    args_json: str,
    kwargs_json: str,
    many: BufferedReader | None,
    queue: str | None,
    countdown: float | None,
    foreign: bool,
    as_json: bool,
) -> None:
    """Enqueue TASK, such as omninode.models.call, and print the id of the message.

    Exits with 1 when a line of FILE was refused (the others are enqueued all the same) or the broker is away,
    and with 130 after Ctrl-C. It then prints the ids of what was enqueued, and the line to go on with.
    """
    if many and (args_json, kwargs_json) != (_NO_ARGS, _NO_KWARGS):
        raise click.UsageError("--many takes the arguments from its file: leave --args and --kwargs away")
    # Celery and the tasks' modules are slow to import; --help must not wait for them.
    from orchestrator.celery import app
    from orchestrator.cli.sending import Sender

    # Nobody here waits for a result: without this each message would subscribe to its own.
    app.conf.update(result_backend="disabled://")
    if not foreign:
        _require_known(app, task)
    options = {"queue": queue, "countdown": countdown}
    sender = Sender(app, task, {name: value for name, value in options.items() if value is not None}, foreign)
    if many:
        sys.exit(_send_many(sender, many, as_json=as_json))
    message_id = _send_one(sender, args_json, kwargs_json)
    click.echo(json.dumps({"id": message_id}) if as_json else message_id)


def _require_known(app: Celery, task: str) -> None:
    from orchestrator.modules import import_modules

    import_modules(app)
    if task in app.tasks:
        return
    close = get_close_matches(task, app.tasks, n=3)
    hint = f" (did you mean {' or '.join(close)}?)" if close else ""
    raise click.UsageError(
        f"no task is called {task!r}{hint}: "
        "name the module that defines it in OMNINODE_IMPORTS, or say --foreign if another program has it."
    )


def _send_one(sender: Sender, args_json: str, kwargs_json: str) -> str:
    message_id = str(uuid4())
    try:
        sender.send(calls.from_options(args_json, kwargs_json), message_id)
    except calls.Refused as error:
        raise click.UsageError(str(error)) from None
    return message_id


def _send_many(sender: Sender, file: BufferedReader, *, as_json: bool) -> int:
    """Send them, report, and return the exit code."""
    from orchestrator.cli.sending import BrokerAway, Many

    stopped, exit_code = "", 0
    with _progress() as tick:
        run = Many(sender, lambda refusal: click.echo(refusal, err=True), tick)
        try:
            run.send_all(file)
        except BrokerAway as error:
            stopped, exit_code = str(error), 1
        except KeyboardInterrupt:
            stopped, exit_code = "interrupted", _INTERRUPTED
    click.echo(_as_json(run, stopped) if as_json else _as_text(run, stopped))
    if stopped:
        click.echo(f"stopped at line {run.next_line}: {stopped}{_doubt(run)}", err=True)
    return exit_code or bool(run.refused)


def _as_json(run: Many, stopped: str) -> str:
    at = {"line": run.next_line, "in_doubt": run.in_doubt, "reason": stopped} if stopped else None
    return json.dumps({"ids": run.ids, "refused": run.refused, "stopped": at})


def _as_text(run: Many, stopped: str) -> str:
    count = f"{len(run.ids)} enqueued, {len(run.refused)} refused"
    return "\n".join([*run.ids, count]) if stopped else count


def _doubt(run: Many) -> str:
    return f"\nWhether {run.in_doubt}, of that line, was enqueued is not known." if run.in_doubt else ""


@contextmanager
def _progress() -> Iterator[Callable[[], None]]:
    """A bar on a terminal; yields what moves it on by one line."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} lines"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=None)
        yield lambda: progress.update(bar, advance=1)
