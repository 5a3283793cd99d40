"""Carries out a replay for a person: asks, warns, shows a bar, and prints what became of it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Any

import click
from celery import Celery
from kombu.exceptions import OperationalError
from psycopg import Connection
from redis.exceptions import RedisError

from orchestrator import redaction
from orchestrator.celery import app
from orchestrator.cli.deadletters.opening import INTERRUPTED, index
from orchestrator.cli.progress import bar
from orchestrator.errors import InvalidEdit, ReplayInterrupted, UnknownOperation
from orchestrator.index.operations import Operation
from orchestrator.modules import import_modules
from orchestrator.replay import account, order, reading
from orchestrator.replay.account import Account, Group
from orchestrator.replay.holding import Queues, consumed
from orchestrator.replay.order import Order
from orchestrator.replay.plan import check_edit, plan
from orchestrator.replay.run import replay

_MOST_GROUPS = 20


@contextmanager
def desk(*, as_json: bool) -> Iterator[Desk]:
    """PostgreSQL and the broker for the length of a command; what goes wrong is a sentence."""
    # Nobody here waits for a result.
    app.conf.update(result_backend="disabled://")
    with index() as connection:
        try:
            with app.connection_for_write() as broker:
                yield Desk(connection, app, broker.default_channel, as_json)
        except InvalidEdit as error:
            raise click.UsageError(redaction.printable(error)) from None
        except UnknownOperation as error:
            raise click.ClickException(str(error)) from None
        except (OperationalError, RedisError, OSError, ReplayInterrupted) as error:
            raise click.ClickException(f"the broker cannot be asked: {redaction.printable(error)}") from None


@dataclass
class Desk:
    """What a replay works with."""

    connection: Connection[Any]
    app: Celery
    channel: Any
    as_json: bool

    def plan(self, asked: Order) -> int:
        """Print what would be done; returns the exit code."""
        queues = Queues(self.channel)
        with bar() as show:
            made = plan(
                self.connection,
                asked,
                reading.now(self.connection),
                tasks=self._tasks(asked),
                consumed=consumed(self.app),
                paused=queues.paused(),
                refusal=queues.refusal,
                on_progress=show,
            )
        if self.as_json:
            click.echo(json.dumps(made.as_json()))
            return 0
        click.echo(f"{made.enqueued:,} of {made.matched:,} letters would be enqueued")
        _show_numbers(made.by_queue, "to {}")
        _show_groups(made.by_group)
        _show_numbers(made.changes, "{} has passed, and would be taken off")
        _show_numbers(made.lost, "{} would not come back")
        _show_numbers(made.skipped, "cannot be replayed: {}")
        self._warn(made.unconsumed, made.paused)
        return 0

    def ask(self, asked: Order) -> None:
        """Let the user say whether these are meant.

        Raises:
            click.Abort: they are not.
        """
        letters = reading.count(self.connection, asked, reading.now(self.connection))
        if letters := min(letters, asked.limit or letters):
            click.confirm(f"Enqueue {letters:,} dead tasks again?", abort=True, err=True)

    def check(self, asked: Order) -> None:
        """Hold the edit against every letter.

        Raises:
            InvalidEdit: it does not fit.
        """
        with bar() as show:
            check_edit(self.connection, asked, reading.now(self.connection), self._tasks(asked), show)

    def warn(self, asked: Order) -> None:
        """Say which queues nobody consumes, and which are paused."""
        targets = set(reading.queues(self.connection, asked, reading.now(self.connection)))
        if targets:
            self._warn(sorted(targets - consumed(self.app)), sorted(targets & Queues(self.channel).paused()))

    def run(self, operation: Operation) -> int:
        """Do it, print the account, and return the exit code."""
        stop, stopped = Event(), ""
        click.echo(f"replay {operation.id}: go on after a kill with --resume {operation.id}", err=True)
        try:
            with bar() as show, _finishing(stop):
                done = replay(self.connection, self.channel, operation, stop=stop, say=_say, on_progress=show)
        except ReplayInterrupted as error:
            stopped = redaction.printable(error)
            to_queue = order.of(operation).to_queue
            done = account.draw_up(self.connection, operation.id, to_queue)
        self._show(done)
        if not done.is_finished:
            why = stopped or "interrupted"
            click.echo(
                f"stopped: {why}\nTo go on: omninode dead-letters replay --resume {operation.id}", err=True
            )
            return 1 if stopped else INTERRUPTED
        return 1 if done.skipped else 0

    def _show(self, done: Account) -> None:
        if self.as_json:
            click.echo(json.dumps(done.as_json()))
            return
        claimed = f", {done.claimed:,} claimed" if done.claimed else ""
        click.echo(f"{done.enqueued:,} enqueued{claimed}")
        _show_numbers(done.by_queue, "to {}")
        _show_groups(done.by_group)
        _show_numbers(done.skipped, "not replayed: {}")
        if done.left:
            click.echo(f"{done.left:,} left as they were")

    def _warn(self, unconsumed: list[str], paused: list[str]) -> None:
        for queue in unconsumed:
            _say(f"no worker that answers consumes the queue {queue}: what is enqueued there waits for one")
        for queue in paused:
            _say(f"the queue {queue} is paused: letters for it wait until it is resumed")

    def _tasks(self, asked: Order) -> Mapping[str, Any] | None:
        """Those that an edit is held against."""
        if asked.edit is None or asked.is_foreign:
            return None
        import_modules(self.app)
        return self.app.tasks


def _say(sentence: str) -> None:
    click.echo(redaction.printable(sentence), err=True)


def _show_numbers(numbers: Mapping[str, int], about: str) -> None:
    for name, letters in numbers.items():
        click.echo(f"{letters:9,}  {about.format(redaction.printable(name))}")


def _show_groups(groups: list[Group]) -> None:
    for group in groups[:_MOST_GROUPS]:
        about = f"{group.fingerprint}  {group.exception or '-'}  {group.task or '-'}"
        click.echo(f"{group.letters:9,}  {redaction.printable(about)}")
    if more := groups[_MOST_GROUPS:]:
        click.echo(f"{sum(group.letters for group in more):9,}  in {len(more):,} other groups")


@contextmanager
def _finishing(stop: Event) -> Iterator[None]:
    """The first Ctrl-C finishes the batch in hand, the second one does not."""

    def finish(*_: Any) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _say("finishing the batch in hand …")

    before = signal.signal(signal.SIGINT, finish)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
