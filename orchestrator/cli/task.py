"""`omninode task`: where a task is, and everything that happened to it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from orchestrator import times

if TYPE_CHECKING:
    from orchestrator.index.story import Story
    from orchestrator.queues.placed import Placed
    from orchestrator.queues.tracing import Trace


@click.group()
def task() -> None:
    """Ask about one task."""


@task.command()
@click.argument("task_id", metavar="ID")
@click.option(
    "--all", "whole", is_flag=True, help="Also lists of no known queue: looks at every key of Redis."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(*, task_id: str, whole: bool, as_json: bool) -> None:
    """Show where the task ID is, and what became of it. Nothing is taken or changed.

    Looked for is its message (set aside, waiting, delayed, in flight, held by stock Celery, dead), its
    result, whether it was revoked, and its dead letters with their history. Exits with 1 when nothing is
    found, or when something could not be asked.
    """
    from orchestrator import redaction, settings, storable
    from orchestrator.celery import app
    from orchestrator.queues.tracing import trace

    if not task_id.strip() or not storable.is_clean(task_id):
        raise click.UsageError("a task's id is text")
    found = trace(app, settings.current().database_url, task_id, whole=whole)
    if as_json:
        click.echo(json.dumps(_record(found)))
    else:
        # Whatever is told of a task comes from outside.
        click.echo("\n".join(map(redaction.printable, _text(found))))
    sys.exit(0 if found.is_found and found.is_complete else 1)


def _record(found: Trace) -> dict[str, Any]:
    from orchestrator import redaction

    record: dict[str, Any] = redaction.data(
        {
            "id": found.task_id,
            "found": found.is_found,
            "messages": [
                asdict(each.message)
                | {name: value for name, value in asdict(each).items() if name != "message"}
                for each in found.messages
            ],
            "result": asdict(found.result) if found.result else None,
            "revoked_at": found.revoked_at or None,
            "dead_letters": [_letter(each) for each in found.letters],
            "searched": found.searched,
            "unknown": found.unknown,
            "complete": found.is_complete,
        }
    )
    return record


def _letter(story: Story) -> dict[str, Any]:
    letter = story.letter
    return {
        "id": letter.id,
        "state": letter.state,
        "state_at": letter.state_at.isoformat(),
        "task": letter.task,
        "replays": letter.replays,
        "deaths": [
            {
                "replay": death.replay,
                "at": death.died_at.isoformat(),
                "queue": death.queue,
                "reason": death.reason,
                "exception": death.exception,
                "message": death.message,
                "worker": death.worker,
                "attempts": death.attempts,
                "deliveries": death.deliveries,
            }
            for death in story.deaths
        ],
        "history": [
            {
                "at": event.at.isoformat(),
                "event": event.event,
                "detail": event.detail,
                "who": event.operation.who if event.operation else None,
                "why": event.operation.why if event.operation else None,
            }
            for event in story.history
        ],
    }


def _text(found: Trace) -> Iterator[str]:
    if not found.is_found:
        yield f"nothing is known of {found.task_id}"
        for each in found.searched:
            yield f"  searched: {each}"
    for placed in found.messages:
        yield from _message(placed)
    if found.result:
        yield f"result: {found.result.state} {_when(found.result.at)}  {found.result.value}".rstrip()
    if found.revoked_at:
        yield f"revoked at {_when(found.revoked_at)}"
    for story in found.letters:
        yield from _story(_letter(story))
    for unknown in found.unknown:
        yield f"not known: {unknown}"


def _message(placed: Placed) -> Iterator[str]:
    about = placed.message
    paused = ", which is paused" if placed.is_paused else ""
    yield f"{placed.place} in {about.queue}{paused}, priority {about.priority}: {_details(placed)}"
    yield f"  {about.error or f'{about.task} {about.args} {about.kwargs}'.rstrip()}"
    if placed.breaker and placed.place != "set aside":
        yield f"  depends on the breaker {placed.breaker}"
    if about.deadline:
        late = ": not later than its eta, so it will not be begun" if about.is_due_too_late else ""
        yield f"  must be over by {_when(about.deadline)}, with all its attempts{late}"
    if about.left_seconds is not None:
        yield f"  has {times.length(about.left_seconds)} left from when it is claimed, with all its attempts"
    if placed.replay:
        yield f"  replay {placed.replay} of the dead letter {placed.letter_id}"
    if placed.error:
        yield f"  died of {placed.error}"
    for failure in placed.failures:
        yield f"  failed: {'  '.join([*map(_when, failure[:1]), *failure[1:]])}"


def _details(placed: Placed) -> str:
    since = _when(placed.since) or "nobody knows when"
    worker = placed.worker or "a worker that does not say who it is"
    match placed.place:
        case "waiting":
            return f"number {placed.position} from the head"
        case "set aside":
            return _aside(placed)
        case "delayed":
            return f"due {_when(placed.due)}"
        case "held by stock Celery":
            return f"since {since}; if no stock worker runs it, `omninode adopt` gives it back"
        case "dead":
            return f"{placed.reason} at {since}, {_on_its_way(placed)}"
    begun = "has begun" if placed.has_begun else "has not begun"
    return f"since {since}, {begun}, by {worker}; {_lease(placed.lease_seconds)}"


def _aside(placed: Placed) -> str:
    waits = f"waits for the breaker {placed.breaker or 'of a name that it does not say'}"
    since = f" since {_when(placed.since)}" if placed.since else ""
    until = f", at most until {_when(placed.until)}" if placed.until else ""
    return f"{waits}{since}{until}{f'; its circuit is {placed.circuit}' if placed.circuit else ''}"


def _on_its_way(placed: Placed) -> str:
    if not placed.is_in_postgresql:
        return "in the outbox; the relay takes it to the index"
    why = f"which says: {placed.kafka_error}" if placed.kafka_error else "as Redis has no room for it"
    return f"it waits in PostgreSQL for Kafka, {why}"


def _lease(seconds: float | None) -> str:
    if seconds is None:
        return "without a lease"
    if seconds < 0:
        ago = times.length(-seconds)
        return f"its lease ended {ago} ago: it goes back when the next worker asks for messages"
    return f"its lease has {times.length(seconds)} left"


def _story(letter: dict[str, Any]) -> Iterator[str]:
    name = f"dead letter {letter['id']} of {letter['task'] or 'no known task'}"
    yield f"{name}: {letter['state']} since {_when(letter['state_at'])}"
    for death in letter["deaths"]:
        again = f" (replay {death['replay']})" if death["replay"] else ""
        cause = f"{death['reason']} {death['exception']}: {death['message']}"
        where = f"{death['queue']}, {death['worker'] or 'no worker named'}"
        tried = f", attempt {death['attempts']}" if death["attempts"] else ""
        yield f"  died {_when(death['at'])}{again}{tried}, {where}: {cause}"
    for event in letter["history"]:
        by = f" by {event['who']}" if event["who"] else ""
        why = f": {event['why']}" if by and event["why"] else ""
        yield f"  {_when(event['at'])} {event['event']} {event['detail']}".rstrip() + by + why


def _when(at: str) -> str:
    """The moment in words; nothing where it is not known."""
    return times.moment(at) if at else ""
