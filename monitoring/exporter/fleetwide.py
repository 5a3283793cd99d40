"""How the fleet is now, as families of gauges: queues, workers, circuits, letters, what runs, and alerts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric

from monitoring.exporter.figures import PARTS, Figures
from monitoring.fleet.figures import BreakerFigures, Fleet, QueueFigures
from orchestrator.alerts.standing import Standing
from orchestrator.tally.names import name as counted

_CIRCUITS = {"closed": 0, "half_open": 1, "open": 2}
# What is not known of queues that are not known themselves.
_OF_QUEUES = {"delayed", "aside"}
_PLACES = ("waiting", "delayed", "aside", "in_flight")


def families(figures: Figures) -> Iterator[Metric]:
    """All of them; what is unknown has no sample."""
    fleet = figures.fleet
    yield from _queues(fleet.queues or {})
    yield from _breakers(fleet.breakers or {})
    yield from _counts(fleet)
    yield _alerts(figures.standing)
    known = _gauge("omninode_known", "1 where this part could be found out, else 0.", "what")
    unknown = set(figures.unknown) | (_OF_QUEUES if "queues" in figures.unknown else set())
    for part in PARTS:
        known.add_metric((part,), part not in unknown)
    yield known


def _queues(queues: Mapping[str, QueueFigures]) -> Iterator[Metric]:
    messages = _gauge("omninode_queue_messages", "Messages of a queue, by where they are.", "queue", "state")
    oldest = _gauge("omninode_queue_oldest_seconds", "How long the oldest waiting task has waited.", "queue")
    workers = _gauge("omninode_queue_workers", "Workers that serve the queue.", "queue")
    paused = _gauge("omninode_queue_paused", "1 while nothing is taken from it by order, else 0.", "queue")
    for name, queue in sorted(queues.items()):
        for place in _PLACES:
            _add(messages, (name, place), getattr(queue, place))
        # Where nothing waits, nothing has waited for long; where a producer does not say since when: unknown.
        _add(oldest, (name,), queue.oldest_waiting_seconds if queue.waiting else 0)
        _add(workers, (name,), queue.workers)
        _add(paused, (name,), queue.paused)
    yield from (messages, oldest, workers, paused)


def _breakers(breakers: Mapping[str, BreakerFigures]) -> Iterator[Metric]:
    state = _gauge("omninode_breaker_state", "The circuit: 0 closed, 1 half-open, 2 open.", "breaker")
    seconds = _gauge("omninode_breaker_open_seconds", "How long it has not been closed.", "breaker")
    unused = _gauge(
        "omninode_breaker_unused", "1 where it is not closed and nobody calls, else 0.", "breaker"
    )
    for name, breaker in sorted(breakers.items()):
        _add(state, (name,), _CIRCUITS.get(breaker.state))
        _add(seconds, (name,), 0 if breaker.state == "closed" else breaker.open_seconds)
        _add(unused, (name,), breaker.is_unused)
    yield from (state, seconds, unused)


def _counts(fleet: Fleet) -> Iterator[Metric]:
    workers, relays, running, beat = fleet.workers, fleet.relays, fleet.running, fleet.beat
    letters, behind = fleet.letters, fleet.metrics_behind_minutes
    for name, says, value in (
        ("workers", "Workers that live.", None if workers is None else len(workers)),
        ("relays", "Relays that are heard.", relays.count if relays else None),
        ("outbox_letters", "Dead letters that wait for Kafka, in Redis.", relays.outbox if relays else None),
        (
            "outbox_oldest_seconds",
            "How long the oldest of these has waited.",
            relays.outbox_seconds if relays else None,
        ),
        ("open_letters", "Dead letters that nobody has closed.", letters.open_letters if letters else None),
        ("beat_age_seconds", "Time since beat has sent a task.", beat.age_seconds if beat else None),
        ("running_tasks", "Tasks that have run for a second or longer.", running.count if running else None),
        ("overdue_tasks", "Tasks that run though their limit is over.", running.overdue if running else None),
        (
            "metrics_behind_seconds",
            "Age of the oldest minute that is over and not in the history.",
            None if behind is None else behind * 60,
        ),
    ):
        yield GaugeMetricFamily(f"omninode_{name}", says, value)


def _alerts(standing: Standing | None) -> Metric:
    raised = _gauge(
        "omninode_alerts", "1 while it is raised, and nobody has silenced it.", "alert", "severity"
    )
    if standing:
        for name, alert in sorted(standing.raised.items()):
            if standing.silence_of(name) is None:
                _add(raised, (name, alert.severity), 1)
    return raised


def _gauge(name: str, says: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, says, labels=labels)


def _add(metric: GaugeMetricFamily, labels: tuple[str, ...], value: float | None) -> None:
    if value is not None:
        # Queues and circuits are called here as where they are counted.
        metric.add_metric([counted(label) for label in labels], value)
