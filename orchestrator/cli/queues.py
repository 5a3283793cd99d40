"""`omninode queues`: look into queues, pause, sweep and empty them, and give what waits elsewhere back."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import click

from orchestrator import times

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_MOST = click.option(
    "-n", "most", type=click.IntRange(1, 10_000), default=20, show_default=True, help="At most."
)


@click.group()
def queues() -> None:
    """Look into queues, pause and empty them."""


@queues.command("list")
@click.option("--all", "whole", is_flag=True, help="Also any other list: looks at every key of Redis, now.")
@_AS_JSON
def list_(*, whole: bool, as_json: bool) -> None:
    """Show the queues: messages that wait, are due later, set aside, or in flight, and who serves them.

    Set aside is what waits for a circuit breaker. Known are the queues that are declared, served, paused, or
    have messages in flight, due later or set aside; lists of tasks that nobody knows are found within a
    minute, where Redis has not millions of keys. The oldest is the task that is claimed next: how long it has
    waited for a worker; of those in flight it is told how long ago the oldest was enqueued.
    """
    from orchestrator.queues import survey

    with _channel() as (app, channel):
        states = survey.survey(channel, app.amqp.queues, whole=whole, finds=True)
    if as_json:
        shown = [asdict(state) | {"waiting_in_all": state.waiting_in_all} for state in states]
        click.echo(json.dumps({"queues": shown}))
        return
    from orchestrator.redaction import printable

    width = max([5, *(len(printable(state.name)) for state in states)])
    click.echo(f"{'queue':{width}}  workers  waiting  oldest  delayed  set aside  in flight")
    for state in states:
        numbers = f"{state.delayed:7,}  {state.aside:9,}  {state.in_flight:9,}"
        waiting = f"{state.workers:7,}  {state.waiting_in_all:7,}  {_oldest(state):>6}"
        age = state.oldest_in_flight_seconds
        oldest = "" if age is None else f"  oldest {times.length(age)}"
        paused = "  paused" if state.paused else ""
        click.echo(f"{printable(state.name):{width}}  {waiting}  {numbers}{oldest}{paused}")


@queues.command()
@click.argument("name")
@_MOST
@_AS_JSON
def peek(*, name: str, most: int, as_json: bool) -> None:
    """Show the messages of the queue NAME that are claimed next, and take none."""
    from orchestrator.queues import looking

    with _channel() as (_, channel):
        _show(looking.peek(channel, name, most), as_json=as_json)


@queues.command()
@click.argument("name", required=False)
@_MOST
@_AS_JSON
def scheduled(*, name: str | None, most: int, as_json: bool) -> None:
    """Show what waits for its time, in the queue NAME or in all, the earliest first."""
    from orchestrator.queues import looking

    with _channel() as (_, channel):
        _show(looking.scheduled(channel, name, most), as_json=as_json)


@queues.command()
@click.argument("name", required=False)
@_MOST
@_AS_JSON
def aside(*, name: str | None, most: int, as_json: bool) -> None:
    """Show what waits for a circuit breaker, in the queue NAME or in all.

    By the breakers' names, and of each the one first whose wait ends first.
    """
    from orchestrator.queues import looking

    with _channel() as (_, channel):
        _show(looking.set_aside(channel, name, most), as_json=as_json)


@queues.command()
@click.argument("names", nargs=-1, required=True)
@_AS_JSON
def pause(*, names: tuple[str, ...], as_json: bool) -> None:
    """Let nobody claim from the queues NAMES. What is in flight goes on; producers may go on."""
    from orchestrator.queues import pausing

    if not all(name.strip() for name in names):
        raise click.UsageError("a queue has a name")
    with _channel() as (_, channel):
        count = pausing.pause(channel, names)
    click.echo(
        json.dumps({"paused": count}) if as_json else f"{count} paused, {len(names) - count} were already"
    )


@queues.command()
@click.argument("names", nargs=-1, required=True)
@_AS_JSON
def resume(*, names: tuple[str, ...], as_json: bool) -> None:
    """Have the queues NAMES claimed from again, at once."""
    from orchestrator.queues import pausing

    with _channel() as (_, channel):
        count = pausing.resume(channel, names)
    click.echo(
        json.dumps({"resumed": count})
        if as_json
        else f"{count} resumed, {len(names) - count} were not paused"
    )


@queues.command()
@click.argument("names", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Only say what would be ended.")
@_AS_JSON
def sweep(*, names: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """End what has waited too long in queues without workers: in the queues NAMES, or in all.

    That is what has expired, what has a deadline that is over, and what waits for
    longer than OMNINODE_QUEUE_LIMIT_HOURS. Each is a dead letter then, and its result a
    failure. Queues that a worker serves are left alone, which is said of those that are named; in a queue
    that is paused only what has expired or has a deadline is ended. A task does the same every 30 seconds.
    Exits with 1 where the result backend could not be told: what that concerns is back in its queue; and
    where a queue of NAMES is none that is declared, served or paused, or that has messages.
    """
    from orchestrator.modules import import_modules
    from orchestrator.sweep import named
    from orchestrator.sweep.sweeping import sweep as sweep_all

    if not all(name.strip() for name in names):
        raise click.UsageError("a queue has a name")
    with _channel() as (app, channel):
        import_modules(app)
        found = named.look(app, channel, names)
        swept = sweep_all(app, channel, names, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(swept.as_json() | found.as_json()))
    else:
        _tell_swept(swept)
        _tell_named(found)
    if swept.unsettled or found.unknown:
        sys.exit(1)


@queues.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@_AS_JSON
def purge(*, names: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Delete what waits in the queues NAMES: for a worker, its time or a breaker. What is in flight stays."""
    from orchestrator.queues import survey

    with _channel() as (_, channel):
        if not yes:
            states = [state for state in survey.survey(channel, names) if state.name in names]
            waiting = sum(state.waiting_in_all + state.delayed + state.aside for state in states)
            click.confirm(
                f"Delete {waiting:,} messages of {', '.join(names)} for good?", abort=True, err=True
            )
        count = sum(channel.queue_purge(name) for name in names)
    click.echo(json.dumps({"purged": count}) if as_json else f"{count:,} deleted")


@queues.command()
@click.argument("names", nargs=-1)
@_AS_JSON
def eject(*, names: tuple[str, ...], as_json: bool) -> None:
    """Give what is delayed or set aside back as plain messages, for stock Celery to drain.

    It is that of the queues NAMES, or all. Stop OmniNode's workers first: they would delay it again.
    """
    from orchestrator.queues import ejection

    with _channel() as (_, channel):
        count = ejection.eject(channel, names)
    click.echo(json.dumps({"ejected": count}) if as_json else f"{count:,} given back")


@click.command()
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    default=3600.0,
    show_default=True,
    metavar="SECONDS",
    help="Only what was taken at least so long ago.",
)
@click.option("--all", "all_", is_flag=True, help="Whatever its age: all stock workers have stopped.")
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_AS_JSON
def adopt(*, older_than: float, all_: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Take over what stopped stock Celery workers have left unacknowledged: it goes back to its queues.

    Stop the stock workers first: what one of them still runs would run twice. Exits with 1 when something
    cannot be read; it stays where it is.
    """
    from orchestrator.queues import adoption

    with _channel() as (app, channel):
        left = adoption.left_by_stock(app, channel)
        chosen = [each for each in left if all_ or each.is_older_than(older_than)]
        broken = [f"{each.tag}: {each.error}" for each in chosen if each.error]
        readable = [each for each in chosen if not each.error]
        if readable and not dry_run and not yes:
            question = (
                f"Give {len(readable):,} messages back to their queues? Have all stock workers stopped?"
            )
            click.confirm(question, abort=True, err=True)
        adopted = 0 if dry_run else sum(adoption.adopt(channel, each) for each in readable)
    counts = {"found": len(left), "younger": len(left) - len(chosen), "adopted": adopted}
    if as_json:
        click.echo(json.dumps(counts | {"unreadable": broken}))
    else:
        click.echo(", ".join(f"{count:,} {what}" for what, count in counts.items()))
        for each in broken:
            click.echo(f"cannot be read: {each}", err=True)
    if broken:
        sys.exit(1)


def _tell_swept(swept: Any) -> None:
    done = "to be ended" if swept.is_dry_run else "ended"
    for reason, count in sorted(swept.ended.items()):
        click.echo(f"{count:,} {done}: {reason}")
    in_queues = f"{len(swept.queues)} queue{'' if len(swept.queues) == 1 else 's'}"
    click.echo(
        f"{swept.looked_at:,} looked at in {in_queues} without workers, {sum(swept.ended.values()):,} {done}"
    )
    if swept.unsettled:
        click.echo(f"{swept.unsettled:,} are back in their queues: the result backend was not told", err=True)


def _tell_named(found: Any) -> None:
    from orchestrator.redaction import printable

    for name, workers in found.served.items():
        served = "a worker serves it" if workers == 1 else f"{workers:,} workers serve it"
        click.echo(f"{printable(name)} is left alone: {served}")
    for name in found.unknown:
        why = "not declared, served or paused, and nothing is in it"
        click.echo(f"omninode: no queue {printable(name)} is known: it is {why}", err=True)


def _oldest(state: Any) -> str:
    """How long the task that is claimed next has waited."""
    if not state.waiting_in_all:
        return "-"
    return "?" if state.oldest_waiting_seconds is None else times.age(state.oldest_waiting_seconds)


def _where(message: Any) -> str:
    """Its queue and priority, until when it waits, by when it must be over, and its age."""
    told = [f"{message.queue}:{message.priority}"]
    if message.due:
        told.append(f"due {times.moment(message.due)}")
    if message.until:
        told.append(f"for {message.breaker}, at most until {times.moment(message.until)}")
    if message.deadline:
        late = ", not later than its eta" if message.is_due_too_late else ""
        told.append(f"must be over by {times.moment(message.deadline)}{late}")
    if message.left_seconds is not None:
        told.append(f"has {times.length(message.left_seconds)} left")
    if message.age_seconds is not None:
        told.append(f"{times.length(message.age_seconds)} old")
    return "  ".join(told)


def _show(messages: list[Any], *, as_json: bool) -> None:
    from orchestrator.cli.deadletters.rendering import fitted

    if as_json:
        click.echo(json.dumps({"messages": [asdict(message) for message in messages]}))
        return
    for each in messages:
        click.echo(fitted(_where(each)))
        click.echo(fitted(f"  {each.error or f'{each.task}[{each.id}] {each.args} {each.kwargs}'.rstrip()}"))
    if not messages:
        click.echo("nothing")


@contextmanager
def _channel() -> Iterator[tuple[Any, Any]]:
    """The app and a channel to its broker; a broker that is away is said in a sentence."""
    from kombu.exceptions import OperationalError
    from redis.exceptions import RedisError

    from orchestrator import redaction, settings
    from orchestrator.celery import app
    from orchestrator.errors import OmniNodeError
    from orchestrator.queues import asking

    try:
        with asking.channel(app) as channel:
            yield app, channel
    except (OperationalError, RedisError, OSError) as error:
        variable = "CELERY_BROKER_URL" if settings.current().celery_broker_url else "REDIS_URL"
        reason = f"{redaction.text(str(error))} (is it running, and is {variable} right?)"
        raise OmniNodeError(f"the broker cannot be asked: {reason}") from None
