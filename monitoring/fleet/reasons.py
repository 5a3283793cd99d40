"""Why the fleet is not as it should be: each reason with its figures, its limit, and what to do."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from monitoring.fleet.figures import Fleet
from monitoring.judging.health import Reason, Severity
from monitoring.recording.sums import Snapshot
from orchestrator import times
from orchestrator.beat import late_after_seconds
from orchestrator.redaction import printable
from orchestrator.relay.watching.heartbeat import SILENT_SECONDS
from orchestrator.settings import Settings
from orchestrator.tally import names

# The history is behind when so many samples, or minutes, are missing; what waits for a day is gone.
_MISSING_SAMPLES, _MISSING_MINUTES, _NEARLY_LOST_MINUTES = 3, 5, 20 * 60
# What is too much to be counted each time is no fault.
_NO_FAULT = {"delayed", "aside"}
# Others may be of a sweep, which ends what waits where no worker ever was.
_BY_WORKERS = {"succeeded", "retried", "waited"}
_PARTS = {"letters": "dead letters in PostgreSQL", "metrics_behind_minutes": "how old the history is"}


def of_fleet(snapshot: Snapshot, fleet: Fleet, settings: Settings) -> Iterator[Reason]:
    """All reasons but those that follow from sums; an alert's name is its reason's."""
    yield from _unknown(snapshot, fleet)
    yield from _queues(snapshot, fleet, settings)
    yield from _workers(fleet)
    yield from _beat(fleet, settings)
    yield from _relays(fleet, settings)
    yield from _breakers(fleet, settings)
    yield from _running(fleet)
    yield from _metrics(fleet, settings)


def _unknown(snapshot: Snapshot, fleet: Fleet) -> Iterator[Reason]:
    """Redis by itself; of the others, those that are unknown for the same reason together."""
    unknown = dict(fleet.unknown)
    why = unknown.pop("redis", None)
    if why is not None:
        yield Reason("redis_away", "critical", f"Redis does not answer: {why}")
    if snapshot.trouble:
        unknown["metrics"] = snapshot.trouble
    by_reason: dict[str, list[str]] = {}
    for part, sentence in unknown.items():
        by_reason.setdefault(sentence, []).append(part)
    for sentence, parts in by_reason.items():
        told = ", ".join(_PARTS.get(part, part) for part in parts)
        severity: Severity = "info" if set(parts) <= _NO_FAULT else "warning"
        yield Reason(f"unknown:{parts[0]}", severity, f"unknown is {told}: {sentence}")


def _queues(snapshot: Snapshot, fleet: Fleet, settings: Settings) -> Iterator[Reason]:
    limit = settings.alert_queue_age_seconds
    for name, queue in sorted((fleet.queues or {}).items()):
        shown, waits = printable(name), _count(queue.waiting, "task")
        if queue.paused:
            sentence = f"the queue {shown!r} is paused, {waits} in it: `omninode queues resume` goes on"
            yield Reason(f"paused:{name}", "info", sentence)
            continue
        if not queue.waiting:
            continue
        if not queue.workers:
            is_strange = not queue.is_declared and not _may_have_been_served(snapshot, name)
            sentence = f"{waits} in the queue {shown!r}, which no worker serves: {_remedy(shown, is_strange)}"
            yield Reason(f"no_consumer:{name}", "warning", sentence)
        age = queue.oldest_waiting_seconds
        if age is not None and age > limit:
            figures = f"the oldest of {waits} in the queue {shown!r} has waited for {times.length(age)}"
            above = f"{times.length(limit)}: it needs more workers, or faster tasks"
            leaving = f"{figures}: clears below {times.length(limit)}"
            yield Reason(
                f"queue_age:{name}", "warning", f"{figures}, which is above {above}", leaving=leaving
            )


def _may_have_been_served(snapshot: Snapshot, queue: str) -> bool:
    """Whether a worker has taken from it, as far as is known: what waits in it may be in good hands then."""
    counted_as = names.name(queue)
    return bool(snapshot.trouble) or any(
        ended.queue == counted_as and ended.outcome in _BY_WORKERS for ended in snapshot.total.outcomes
    )


def _remedy(shown: str, is_strange: bool) -> str:  # noqa: FBT001 (both are of one queue)
    start = f"start one with `-Q {shlex.quote(shown)}`"
    if not is_strange:
        return start
    deletes = f"`omninode queues purge {shlex.quote(shown)}` deletes what is in it"
    return f"{start}; or, as nobody declares it, if its name is a mistake, {deletes}"


def _workers(fleet: Fleet) -> Iterator[Reason]:
    if fleet.workers is not None and not fleet.workers:
        sentence = "no worker lives: start one with `celery -A orchestrator worker`"
        yield Reason("no_workers", "critical", sentence)


def _beat(fleet: Fleet, settings: Settings) -> Iterator[Reason]:
    beat = fleet.beat
    if beat is None:
        return
    todo = "start `celery -A orchestrator beat`"
    if beat.age_seconds is None:
        yield Reason("beat_late", "warning", f"beat was not seen for a day: {todo}")
    elif beat.age_seconds > late_after_seconds(settings.health_interval_seconds):
        sentence = (
            f"beat ({beat.name}) has sent nothing for {times.length(beat.age_seconds)}, though it ought to "
            f"every {times.length(settings.health_interval_seconds)}: {todo} again"
        )
        yield Reason("beat_late", "warning", sentence)
    elif beat.rival:
        sentence = f"two beats run, {beat.name} and {beat.rival}, and send every task twice: stop one"
        yield Reason("two_beats", "warning", sentence)


def _relays(fleet: Fleet, settings: Settings) -> Iterator[Reason]:
    relays = fleet.relays
    if relays is None or not relays.outbox:
        return
    letters, length = _count(relays.outbox, "dead letter"), times.length(relays.outbox_seconds)
    waits = f"the oldest of {letters} in the outbox has waited for {length}"
    # One that is being restarted is back within seconds.
    if not relays.count and relays.outbox_seconds >= SILENT_SECONDS:
        yield Reason("relay_away", "warning", f"{waits}, and no relay runs: start `omninode relay`")
    elif relays.outbox_seconds > settings.alert_outbox_seconds:
        because = f" ({relays.kafka_error})" if relays.kafka_error else ""
        yield Reason("outbox_waits", "warning", f"{waits}{because}")


def _breakers(fleet: Fleet, settings: Settings) -> Iterator[Reason]:
    limit = settings.alert_breaker_open_seconds
    for name, breaker in sorted((fleet.breakers or {}).items()):
        if breaker.state == "closed":
            continue
        shown, seconds = printable(name), breaker.open_seconds
        if breaker.is_unused:
            sentence = f"the circuit of {shown!r} is not closed, and nobody has called it for hours"
            yield Reason(f"unused:{name}", "info", sentence)
        elif seconds is not None and seconds > limit:
            sentence = (
                f"the circuit of {shown!r} has not been closed for {times.length(seconds)}, which is above "
                f"{times.length(limit)}: it {breaker.words or breaker.state}"
            )
            yield Reason(f"breaker_open:{name}", "warning", sentence, name)


def _running(fleet: Fleet) -> Iterator[Reason]:
    running = fleet.running
    if running is None or not running.overdue:
        return
    first = running.overdue_tasks[0] if running.overdue_tasks else None
    such_as = f", such as {printable(first.name)}[{printable(first.task_id)}]" if first else ""
    sentence = (
        f"{_count(running.overdue, 'task')} beyond the hard limit or deadline by more than 10 s, and running "
        f"on{such_as}: see `omninode running`"
    )
    yield Reason("stuck_tasks", "warning", sentence)


def _metrics(fleet: Fleet, settings: Settings) -> Iterator[Reason]:
    behind = fleet.metrics_behind_minutes
    interval = settings.perf_monitor_sampling_interval
    if behind is None or behind <= max(_MISSING_MINUTES, _MISSING_SAMPLES * interval / 60):
        return
    severity: Severity = "critical" if behind >= _NEARLY_LOST_MINUTES else "warning"
    sentence = (
        f"the history is {times.length(behind * 60)} behind what was counted, and what is a day old is lost: "
        "do beat and a worker of the queue 'admin' run, and does PostgreSQL answer?"
    )
    yield Reason("metrics_behind", severity, sentence)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
