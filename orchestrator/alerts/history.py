"""The history of alerts: a stream with an entry for every change that somebody may want to know of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from redis import Redis

from orchestrator import keys
from orchestrator.alerts.changing import Change
from orchestrator.alerts.record import Raised, Silence

MOST_ENTRIES = 10_000


@dataclass(frozen=True)
class Entry:
    """One change. `id` is that of the stream, `at` its moment in Unix seconds, by Redis's clock.

    `event` is one of `changing.Event`; `alert` the name, or of a silence its pattern; `before` the severity
    that it had where that has changed; `until` the end of a silence. `deliver`: whether it goes to those who
    want to be told: not what is silenced or was acknowledged, and of what was never told, not its end either.
    """

    id: str
    at: float
    event: str
    alert: str
    severity: str = ""
    before: str = ""
    sentence: str = ""
    component: str | None = None
    since: str = ""
    who: str = ""
    why: str = ""
    until: str = ""
    deliver: bool = False


def read(client: Redis, prefix: str = "", after: str = "-", most: int = 1000) -> list[Entry]:
    """The entries after the one with this id (`-`: from the first one on), the oldest first.

    `client` answers with text. Raises redis.exceptions.RedisError.
    """
    begin = after if after == "-" else f"({after}"
    found: Any = client.xrange(keys.alert_history(prefix), min=begin, count=most)
    return [_entry(*each) for each in found]


def latest(client: Redis, prefix: str = "", since: float = 0.0, most: int = MOST_ENTRIES) -> Iterable[Entry]:
    """The entries since then (Unix seconds), the latest first."""
    found: Any = client.xrevrange(keys.alert_history(prefix), min=f"{since * 1000:.0f}", count=most)
    return [_entry(*each) for each in found]


def fields(change: Change) -> dict[str, str]:
    """What an entry says of a change; empty where it tells nothing."""
    if change.event is None:
        return {}
    told = {"event": change.event, "alert": change.name, "who": change.who, "why": change.why}
    shown = change.after or change.before
    if isinstance(shown, Raised):
        sentence = shown.present_sentence if change.after else shown.sentence
        told |= {"severity": shown.severity, "sentence": sentence, "since": shown.since}
        told["component"] = shown.component or ""
    if isinstance(shown, Silence):
        told["until"] = shown.until
    if change.event == "severity" and isinstance(change.before, Raised):
        told["before"] = change.before.severity
    told["deliver"] = "1" if change.deliver else ""
    return {name: value for name, value in told.items() if value}


def _entry(identity: str, told: Mapping[str, str]) -> Entry:
    return Entry(
        id=identity,
        at=int(identity.partition("-")[0]) / 1000,
        event=told.get("event", ""),
        alert=told.get("alert", ""),
        severity=told.get("severity", ""),
        before=told.get("before", ""),
        sentence=told.get("sentence", ""),
        component=told.get("component") or None,
        since=told.get("since", ""),
        who=told.get("who", ""),
        why=told.get("why", ""),
        until=told.get("until", ""),
        deliver=bool(told.get("deliver")),
    )
