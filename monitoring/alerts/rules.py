"""The alerts that follow from the fleet's health, by name: of what they are, and what they are known from."""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.judging.health import Reason


@dataclass(frozen=True)
class Rule:
    """One of them; with `<what>` behind a colon in its alert's name where there can be several.

    `parts` name what it is known from: where one of them is unknown (`Fleet.unknown`, or `metrics`), an alert
    stays as it is. `is_confirmed`: it is raised by the second look that finds it, so that a restart is none.
    """

    name: str
    parts: frozenset[str]
    is_confirmed: bool = False


def _rule(name: str, *parts: str, is_confirmed: bool = False) -> Rule:
    return Rule(name, frozenset(parts), is_confirmed)


RULES = {
    rule.name: rule
    for rule in (
        _rule("error_rate", "metrics"),
        _rule("response_time", "metrics"),
        _rule("queue_age", "queues"),
        _rule("no_consumer", "queues", is_confirmed=True),
        _rule("no_workers", "workers", is_confirmed=True),
        _rule("stuck_tasks", "running"),
        _rule("breaker_open", "breakers"),
        _rule("beat_late", "beat", is_confirmed=True),
        _rule("relay_away", "relays", is_confirmed=True),
        _rule("metrics_behind", "metrics_behind_minutes", is_confirmed=True),
        _rule("redis_away"),
    )
}


def rule_of(name: str) -> Rule | None:
    """The rule of the alert of this name; None where it is judged elsewhere, as the relays' own are."""
    return RULES.get(name.partition(":")[0])


def by_name(reasons: tuple[Reason, ...]) -> dict[str, Reason]:
    """Those of a verdict that are alerts, by name."""
    return {reason.name: reason for reason in reasons if rule_of(reason.name)}
