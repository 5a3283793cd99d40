"""`omninode enqueue`: one task from the command line, or many from a file of JSON lines."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import IO, Any

import click
from celery import Celery
from kombu.exceptions import OperationalError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from orchestrator.errors import InvalidArguments

_EMPTY = "[]"


class _Refused(ValueError):
    """What was typed is not a call."""


@dataclass(frozen=True)
class _Call:
    args: list[Any]
    kwargs: dict[str, Any]


@click.command()
@click.argument("task")
@click.option(
    "--args", "args_json", default=_EMPTY, metavar="JSON", help="Positional arguments: a JSON array."
)
@click.option(
    "--kwargs", "kwargs_json", default="{}", metavar="JSON", help="Keyword arguments: a JSON object."
)
@click.option(
    "--many",
    type=click.File("r", encoding="utf-8"),
    metavar="FILE",
    help='Enqueue once a line of FILE (- for standard input): {"args": […], "kwargs": {…}}.',
)
@click.option("--queue", help="Send to this queue rather than to the task's own.")
@click.option(
    "--countdown", type=click.FloatRange(min=0), metavar="SECONDS", help="Do not run it earlier than this."
)
@click.option("--foreign", is_flag=True, help="The task is another program's: do not look for it here.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def enqueue(
    *,
    task: str,
    args_json: str,
    kwargs_json: str,
    many: IO[str] | None,
    queue: str | None,
    countdown: float | None,
    foreign: bool,
    as_json: bool,
) -> None:
    """Enqueue TASK, such as omninode.models.call, and print the id of the message.

    Exits with 1 when a line of FILE was refused; the others are enqueued all the same.
    """
    if many and (args_json != _EMPTY or kwargs_json != "{}"):
        raise click.UsageError("--many takes the arguments from its file: leave --args and --kwargs away")
    # Celery and the tasks' modules are slow to import; --help must not wait for them.
    from orchestrator.celery import app  # noqa: PLC0415

    # Nobody here waits for a result: without this each message would subscribe to its own.
    app.conf.update(result_backend="disabled://")
    if not foreign:
        _require_known(app, task)
    sender = _Sender(app, task, {"queue": queue, "countdown": countdown}, foreign=foreign)
    try:
        sent, refused = _send_many(sender, many) if many else _send_one(sender, args_json, kwargs_json)
    except OperationalError as error:
        raise click.ClickException(
            f"the broker does not answer, nothing more was enqueued: {error}"
        ) from None
    click.echo(_report(sent, refused, as_json=as_json, many=bool(many)))
    if refused:
        raise SystemExit(1)


class _Sender:
    """Sends one task's messages, each after a look at its arguments."""

    def __init__(self, app: Celery, task: str, options: dict[str, Any], *, foreign: bool) -> None:
        self._app = app
        self._task = task
        self._options = {name: value for name, value in options.items() if value is not None}
        self._foreign = foreign

    def send(self, call: _Call) -> str:
        """Enqueue one call; InvalidArguments when they do not fit the task."""
        if not self._foreign:
            from orchestrator.task import check_arguments  # noqa: PLC0415

            check_arguments(self._app.tasks[self._task], call.args, call.kwargs)
        return str(self._app.send_task(self._task, args=call.args, kwargs=call.kwargs, **self._options).id)


def _require_known(app: Celery, task: str) -> None:
    app.loader.import_default_modules()
    if task in app.tasks:
        return
    close = get_close_matches(task, app.tasks, n=3)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise click.UsageError(
        f"no task is called {task!r}; {hint}"
        "Name the module that defines it in OMNINODE_IMPORTS, or say --foreign if another program has it."
    )


def _send_one(sender: _Sender, args_json: str, kwargs_json: str) -> tuple[list[str], list[str]]:
    try:
        return [sender.send(_call({"args": _parse(args_json), "kwargs": _parse(kwargs_json)}))], []
    except (InvalidArguments, _Refused) as error:
        raise click.UsageError(str(error)) from None


def _send_many(sender: _Sender, lines: Iterable[str]) -> tuple[list[str], list[str]]:
    sent: list[str] = []
    refused: list[str] = []
    columns = (TextColumn("enqueued"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("enqueued", total=None)
        for number, line in _filled(lines):
            try:
                sent.append(sender.send(_call(_parse(line))))
            except (InvalidArguments, _Refused) as error:
                refused.append(f"line {number}: {error}")
                click.echo(refused[-1], err=True)
            progress.update(bar, advance=1)
    return sent, refused


def _filled(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise _Refused(f"not JSON ({error}): {text.strip()[:80]}") from None


def _call(fields: Any) -> _Call:
    if not isinstance(fields, dict) or not fields.keys() <= {"args", "kwargs"}:
        raise _Refused('must be an object with nothing but "args" and "kwargs"')
    args, kwargs = fields.get("args", []), fields.get("kwargs", {})
    if not isinstance(args, list):
        raise _Refused(f"args must be a JSON array, not {json.dumps(args)[:80]}")
    if not isinstance(kwargs, dict):
        raise _Refused(f"kwargs must be a JSON object, not {json.dumps(kwargs)[:80]}")
    return _Call(args, kwargs)


def _report(sent: list[str], refused: list[str], *, as_json: bool, many: bool) -> str:
    if as_json:
        return json.dumps({"ids": sent, "refused": refused} if many else {"id": sent[0]})
    return f"{len(sent)} enqueued, {len(refused)} refused" if many else sent[0]
