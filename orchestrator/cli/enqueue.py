"""`omninode enqueue`: one task from the command line, or many from a file of JSON lines."""

from __future__ import annotations

import json
import sys
from difflib import get_close_matches
from io import BufferedReader
from math import isnan
from typing import TYPE_CHECKING
from uuid import uuid4

import click

from orchestrator import redaction
from orchestrator.cli import calls
from orchestrator.cli.lengths import LENGTH
from orchestrator.cli.progress import bar

if TYPE_CHECKING:
    from celery import Celery

    from orchestrator.cli.sending import Sender

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
    help='Enqueue once a line of FILE (- for stdin): […], {name: …} or {"args": […], "kwargs": {…}}.',
)
@click.option(
    "--batch-id", help="Of --many: what an earlier run with this id enqueued is not enqueued again."
)
@click.option("--queue", help="Send to this queue rather than to the task's own.")
@click.option(
    "--countdown",
    type=click.FloatRange(min=0, max=_LONGEST_COUNTDOWN_SECONDS),
    callback=_refuse_nan,
    metavar="SECONDS",
    help="Do not run it earlier than this.",
)
@click.option(
    "--deadline",
    type=LENGTH,
    metavar="LENGTH",
    help="It must be over so long from now, with all its attempts: 90s, 10m, 1h30m. Of --many all.",
)
@click.option("--foreign", is_flag=True, help="The task is another program's: do not look for it here.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def enqueue(
    *,
    task: str,
    args_json: str,
    kwargs_json: str,
    many: BufferedReader | None,
    batch_id: str | None,
    queue: str | None,
    countdown: float | None,
    deadline: float | None,
    foreign: bool,
    as_json: bool,
) -> None:
    """Enqueue TASK, such as omninode.models.call, and print the id of the message.

    Exits with 1 when a line of FILE is refused (then nothing is enqueued), when the --batch-id stands for
    other lines, or when the broker is away, and with 130 after Ctrl-C. It then says how to go on: the same
    command with a --batch-id loses and doubles nothing.
    """
    if batch_id is not None and not many:
        raise click.UsageError("--batch-id belongs to --many")
    if deadline is not None and countdown is not None and deadline <= countdown:
        raise click.UsageError("--deadline must be longer than --countdown: it could never begin in time")
    if many and (args_json, kwargs_json) != (_NO_ARGS, _NO_KWARGS):
        raise click.UsageError("--many takes the arguments from its file: leave --args and --kwargs away")
    # Celery and the tasks' modules are slow to import; --help must not wait for them.
    from orchestrator.celery import app
    from orchestrator.cli.sending import Sender

    # Nobody here waits for a result: without this each message would subscribe to its own.
    app.conf.update(result_backend="disabled://")
    if not foreign:
        _require_known(app, task)
    options = {"queue": queue, "countdown": countdown, "deadline": deadline}
    sender = Sender(app, task, {name: value for name, value in options.items() if value is not None}, foreign)
    if many:
        sys.exit(_send_many(sender, many, batch_id or uuid4().hex, as_json=as_json))
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


def _send_many(sender: Sender, file: BufferedReader, batch_id: str, *, as_json: bool) -> int:
    """Send them, report, and return the exit code."""
    from orchestrator.cli.sending import read_calls
    from orchestrator.errors import EnqueueInterrupted, InvalidArguments

    many, refused = read_calls(sender, file)
    if refused:
        click.echo("\n".join([*refused, "nothing was enqueued"]), err=True)
        if as_json:
            click.echo(json.dumps({"ids": [], "refused": refused, "stopped": None}))
        return 1
    accepted, stopped, hint, ids = (
        0,
        "",
        f"\nTo go on, repeat the command with --batch-id {batch_id}",
        list[str](),
    )
    with bar() as show:

        def count(so_far: int) -> None:
            nonlocal accepted
            accepted = so_far
            show(so_far, len(many))

        try:
            ids = sender.send_many(many, batch_id, count)
        except EnqueueInterrupted as error:
            stopped, exit_code = redaction.text(str(error)), 1
        except InvalidArguments as error:
            # Repeating it would end in the same way.
            stopped, hint, exit_code = redaction.text(str(error)), "", 1
        except KeyboardInterrupt:
            stopped, exit_code = f"interrupted: {accepted} rows were accepted, perhaps more", _INTERRUPTED
    at = {"accepted": accepted, "batch_id": batch_id, "reason": stopped} if stopped else None
    if as_json:
        click.echo(json.dumps({"ids": ids, "refused": [], "stopped": at}))
    else:
        click.echo(f"{accepted} enqueued")
    if not stopped:
        return 0
    click.echo(f"stopped: {stopped}{hint}", err=True)
    return exit_code
