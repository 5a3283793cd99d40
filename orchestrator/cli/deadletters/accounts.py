"""What a replay did, or would do, as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping

import click

from orchestrator import redaction
from orchestrator.cli.deadletters.rendering import counted
from orchestrator.replay.account import Account, Group
from orchestrator.replay.plan import Plan

_MOST_GROUPS = 20


def show_plan(made: Plan) -> None:
    """Print what would be done."""
    if not made.matched:
        click.echo("no letter matches")
    else:
        click.echo(f"{made.enqueued:,} of {counted(made.matched, 'letter')} would be enqueued")
    _show_numbers(made.by_queue, "to {}")
    _show_groups(made.by_group)
    _show_numbers(made.changes, "{} has passed, and would be taken off")
    _show_numbers(made.lost, "{} would not come back")
    _show_numbers(made.skipped, "cannot be replayed: {}")


def show_account(done: Account) -> None:
    """Print what was done."""
    is_resumed = done.newly_enqueued < done.enqueued
    now = f", {done.newly_enqueued:,} of them now" if is_resumed else ""
    claimed = f", {done.claimed:,} claimed" if done.claimed else ""
    click.echo(f"{done.enqueued:,} enqueued{now}{claimed}")
    _show_numbers(done.by_queue, "to {}")
    _show_groups(done.by_group)
    _show_numbers(done.skipped, "not replayed: {}")
    if done.left:
        click.echo(f"{done.left:,} left as {'it was' if done.left == 1 else 'they were'}")


def show_untaken(untaken: Mapping[str, int]) -> None:
    """Print why letters that match are left as they are."""
    _show_numbers(untaken, "left alone: {}")


def warn(made: Plan) -> None:
    """Say, on standard error, what is allowed and will hardly be meant."""
    for task, letters in made.unknown_tasks.items():
        about = f"no task {task} is known here, and unless another program has it"
        say(f"{about}, {counted(letters, 'letter')} would die again")
    if made.undecodable:
        about = "the body cannot be decoded, and unless it is changed with --edit"
        say(f"{about}, {counted(made.undecodable, 'letter')} would die again")
    warn_of_queues(made.unconsumed, made.paused)


def warn_of_queues(unconsumed: list[str], paused: list[str]) -> None:
    """Say where letters will wait."""
    for queue in unconsumed:
        say(f"no worker that answers consumes the queue {queue}: what is enqueued there waits for one")
    for queue in paused:
        say(f"the queue {queue} is paused: letters for it wait until it is resumed")


def say(sentence: str) -> None:
    """Print a sentence on standard error."""
    click.echo(redaction.printable(sentence), err=True)


def _show_numbers(numbers: Mapping[str, int], about: str) -> None:
    for name, letters in numbers.items():
        click.echo(f"{letters:9,}  {about.format(redaction.printable(name))}")


def _show_groups(groups: list[Group]) -> None:
    for group in groups[:_MOST_GROUPS]:
        about = f"{group.fingerprint}  {group.exception or '-'}  {group.task or '-'}"
        click.echo(f"{group.letters:9,}  {redaction.printable(about)}")
    if more := groups[_MOST_GROUPS:]:
        letters = sum(group.letters for group in more)
        click.echo(f"{letters:9,}  in {counted(len(more), 'other group')}")
