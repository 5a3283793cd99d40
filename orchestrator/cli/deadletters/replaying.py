"""Carries out a replay for a person: asks, warns, shows a bar, and prints what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click
from celery import Celery
from kombu.exceptions import OperationalError
from psycopg import Connection
from redis.exceptions import RedisError

from orchestrator import recording, redaction, settings, times
from orchestrator.broker import reach
from orchestrator.celery import app
from orchestrator.cli.deadletters.accounts import (
    say,
    show_account,
    show_plan,
    show_untaken,
    warn,
    warn_of_queues,
)
from orchestrator.cli.deadletters.opening import index
from orchestrator.cli.deadletters.rendering import counted
from orchestrator.cli.deadletters.stopping import finishing
from orchestrator.cli.progress import bar
from orchestrator.errors import InvalidEdit, ReplayInterrupted, SettingsError, UnknownOperation
from orchestrator.index.operations import Operation
from orchestrator.modules import import_modules
from orchestrator.replay import account, order, reading, untaken
from orchestrator.replay.holding import Queues, consumed
from orchestrator.replay.order import Order
from orchestrator.replay.plan import check_edit, plan
from orchestrator.replay.run import replay


@contextmanager
def desk(*, as_json: bool) -> Iterator[Desk]:
    """PostgreSQL and the broker for the length of a command; what goes wrong is a sentence."""
    # Nobody here waits for a result.
    app.conf.update(result_backend="disabled://")
    # What is replayed is counted with what the fleet's other processes replay.
    with recording.during("command"), index() as connection:
        try:
            reach(settings.current(), app.conf.broker_url)
            with app.connection_for_write() as broker:
                yield Desk(connection, app, broker.default_channel, as_json)
        except InvalidEdit as error:
            raise click.UsageError(redaction.printable(error)) from None
        except UnknownOperation as error:
            raise click.ClickException(redaction.printable(error)) from None
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
                tasks=self._known(asked),
                consumed=consumed(self.app),
                paused=queues.paused(),
                refusal=queues.refusal,
                on_progress=show,
            )
        if self.as_json:
            click.echo(json.dumps(made.as_json()))
            return 0
        show_plan(made)
        self._show_untaken(asked, made.matched)
        warn(made)
        return 0

    def ask(self, asked: Order) -> None:
        """Let the user say whether these are meant.

        Raises:
            click.Abort: they are not.
        """
        letters = reading.count(self.connection, asked, reading.now(self.connection))
        if letters := min(letters, asked.limit or letters):
            click.confirm(f"Enqueue {counted(letters, 'dead task')} again?", abort=True, err=True)

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
            paused = Queues(self.channel).paused()
            warn_of_queues(sorted(targets - consumed(self.app)), sorted(targets & paused))

    def run(self, operation: Operation) -> int:
        """Do it, print the account, and return the exit code."""
        stopped, asked = "", order.of(operation)
        before, claimed = account.numbers(self.connection, operation.id)
        if operation.finished_at:
            say(f"replay {operation.id} was finished already, at {times.moment(operation.finished_at)}")
        elif claimed or reading.count(self.connection, asked, operation.started_at):
            say(f"replay {operation.id}: go on after a kill with --resume {operation.id}")
        with bar() as show, finishing() as stop:
            try:
                done = replay(
                    self.connection,
                    self.channel,
                    operation,
                    stop=stop,
                    tasks=self._importable(),
                    say=say,
                    on_progress=show,
                )
            except ReplayInterrupted as error:
                stopped = redaction.printable(error)
                done = account.draw_up(self.connection, operation.id, asked.to_queue, before)
        if self.as_json:
            click.echo(json.dumps(done.as_json()))
        else:
            show_account(done)
            self._show_untaken(asked, done.matched)
        if not done.is_finished:
            why = stopped or "interrupted"
            click.echo(
                f"stopped: {why}\nTo go on: omninode dead-letters replay --resume {operation.id}", err=True
            )
            return 1 if stopped else stop.code
        return 1 if done.skipped else 0

    def _show_untaken(self, asked: Order, matched: int) -> None:
        """Where there is nothing to do, say of what there is why it is left as it is."""
        if not matched and not asked.filter.ids:
            show_untaken(untaken.found(self.connection, asked))

    def _tasks(self, asked: Order) -> Mapping[str, Any] | None:
        """Those that an edit is held against."""
        if asked.edit is None or asked.is_foreign:
            return None
        import_modules(self.app)
        return self.app.tasks

    def _known(self, asked: Order) -> Mapping[str, Any] | None:
        """Those that a letter's task is looked for among."""
        return self._tasks(asked) if asked.edit else self._importable()

    def _importable(self) -> Mapping[str, Any] | None:
        """Those of this app and of OMNINODE_IMPORTS; what cannot be imported is said."""
        try:
            import_modules(self.app)
        except SettingsError as error:
            say(str(error))
            return None
        return self.app.tasks
