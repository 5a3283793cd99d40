"""The demo's last look: the dashboard's main figures, held against what PostgreSQL has stored of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, LiteralString
from urllib.error import HTTPError
from urllib.request import urlopen

from psycopg import Connection

from monitoring.history.folding import fold
from monitoring.history.reading import totals
from orchestrator import postgres, settings
from orchestrator.errors import StackError
from tasks.demo import orders, outage

if TYPE_CHECKING:
    from orchestrator.dev.fleet import Fleet

_ANSWER_SECONDS = 10.0
# What workers record is written once a second, and read again as often.
_AGREEMENT_SECONDS = 15.0
_PAUSE_SECONDS = 0.5
_SHOWN_COMPONENTS = 6

_BEGINNING = datetime.fromtimestamp(0, UTC)
_DEATHS = "SELECT count(*) FROM dead_letter_deaths"
# A delivery that came again has its row already.
_TAKEN = """
    SELECT count(*) FILTER (WHERE status <> 'failed') + coalesce(sum(duplicates), 0)::bigint
    FROM hook_events"""
# What PostgreSQL has of a task's successes.
_STORED: dict[str, tuple[str, LiteralString]] = {
    "deliveries of hooks taken": (
        "omninode.hooks.process",
        _TAKEN,
    ),
    "orders stored": (orders.store_order.name, "SELECT count(*) FROM demo_orders"),
    f"calls of the model {outage.MODEL} answered": (
        "omninode.models.call",
        "SELECT count(DISTINCT task_id) FROM model_calls WHERE model = 'demo' AND outcome = 'ok'",
    ),
}


@dataclass(frozen=True)
class Comparison:
    """What the dashboard says, and PostgreSQL; None: the dashboard does not know it."""

    what: str
    dashboard: int | None
    postgresql: int

    @property
    def agrees(self) -> bool:
        """Whether both say the same."""
        return self.dashboard == self.postgresql


@dataclass(frozen=True)
class Component:
    """A component's figures, as the dashboard has them."""

    name: str
    calls: int
    errors: int
    p50_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True)
class Measured:
    """The dashboard's main figures, and why all is not well; `components` are those that were called most."""

    status: str
    reasons: tuple[str, ...]
    error_rate_percent: float | None
    average_response_time_ms: float | None
    resilience: Mapping[str, int | None]
    components: tuple[Component, ...]
    compared: tuple[Comparison, ...]

    def missing(self) -> Iterator[str]:
        """One sentence for each figure that is not the same in both."""
        for each in self.compared:
            if not each.agrees:
                said = "does not know" if each.dashboard is None else f"says {each.dashboard}"
                yield f"{each.what}: the dashboard {said}, PostgreSQL says {each.postgresql}"


def look(fleet: Fleet) -> Measured:
    """Ask the exporter, until it agrees with PostgreSQL or does not for a while.

    What was counted until then is folded into the history first, as beat has it done every minute.

    Raises:
        StackError: a process of the fleet has ended, or the exporter does not answer.
    """
    give_up_at = time.monotonic() + _AGREEMENT_SECONDS
    while True:
        fleet.check()
        fold(settings.current(), now=True)
        # The one after the other, within half a second: both are of the same moment.
        found = _measured(_dashboard(fleet.exporter_url), _ask(f"{fleet.exporter_url}/health"))
        if all(each.agrees for each in found.compared) or time.monotonic() > give_up_at:
            return found
        time.sleep(_PAUSE_SECONDS)


def _dashboard(url: str) -> dict[str, Any]:
    told = _ask(f"{url}/dashboard")
    if "error" in told:
        raise StackError(f"the exporter at {url} does not show its dashboard: {told['error']}")
    return told


def _ask(url: str) -> dict[str, Any]:
    try:
        with _answer(url) as answer:
            read: dict[str, Any] = json.load(answer)
    except (OSError, ValueError) as error:
        raise StackError(f"the exporter does not answer at {url}: {error}") from error
    return read


def _answer(url: str) -> Any:
    try:
        return urlopen(url, timeout=_ANSWER_SECONDS)  # noqa: S310 (our own)
    except HTTPError as error:
        # That a fleet is critical is said with 503, and why.
        return error


def _measured(dashboard: Mapping[str, Any], judged: Mapping[str, Any]) -> Measured:
    health, components = dashboard["system_health"], dashboard["component_performance"]
    resilience = dashboard["resilience_metrics"]
    busiest = [_component(*each) for each in components.items()]
    busiest = sorted(busiest, key=lambda each: -each.calls)[:_SHOWN_COMPONENTS]
    with postgres.transaction() as database:
        compared = [Comparison("deaths", resilience["dead_letter_queue_messages"], _count(database, _DEATHS))]
        for what, (component, query) in _STORED.items():
            compared.append(Comparison(what, _successes(components.get(component)), _count(database, query)))
        compared += [_in_history(database, each) for each in busiest]
    return Measured(
        status=judged["status"],
        reasons=tuple(judged["reasons"]),
        error_rate_percent=health["error_rate_percent"],
        average_response_time_ms=health["average_response_time_ms"],
        resilience=resilience,
        components=tuple(busiest),
        compared=tuple(compared),
    )


def _in_history(database: Connection[Any], component: Component) -> Comparison:
    folded = totals(database, _BEGINNING).of(component.name).count
    return Comparison(f"{component.name}, in the history", component.calls, folded)


def _component(name: str, figures: Mapping[str, Any]) -> Component:
    return Component(
        name,
        figures["total_requests"],
        figures["error_count"],
        figures["p50_duration_ms"],
        figures["p95_duration_ms"],
    )


def _successes(figures: Mapping[str, Any] | None) -> int | None:
    return None if figures is None else figures["total_requests"] - figures["error_count"]


def _count(database: Connection[Any], query: LiteralString) -> int:
    row = database.execute(query).fetchone()
    return int(row[0]) if row else 0
