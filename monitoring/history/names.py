"""Which components and tasks were ever counted, and which of them a name that never was resembles."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import Any

import psycopg
from redis.exceptions import RedisError

from monitoring.history.values import labels
from orchestrator import broker, keys, postgres
from orchestrator.settings import Settings
from orchestrator.tally import fields

_TIMEOUT_SECONDS, _LONGEST_SECONDS = 5.0, 20.0
# Of what is counted by name, where the name of the component or task stands among the labels.
_PLACE = {"outcome": 0, "error": 0, "call": 0, "event": 1, "wait": 1}
_MOST_COMPARED, _MOST_ALIKE = 5000, 3
_NAMED = """
    SELECT labels[CASE WHEN kind IN ('event', 'wait') THEN 2 ELSE 1 END] FROM metric_series
    WHERE NOT (kind = 'event' AND labels[1] = 'dead_letter_message')"""
_KNOWN = f"SELECT DISTINCT name FROM ({_NAMED}) AS named (name) WHERE name = ANY(%s)"  # noqa: S608 (constants)
_SOME = f"SELECT DISTINCT name FROM ({_NAMED} ORDER BY seen_on DESC LIMIT %s) AS named (name)"  # noqa: S608


def never_counted(settings: Settings, wanted: Collection[str]) -> dict[str, list[str]]:
    """Those names that no component or task was ever counted under, each with names that are like it.

    Raises:
        psycopg.Error, redis.exceptions.RedisError, OSError: a server does not answer.
    """
    if not wanted:
        return {}
    some = _in_redis(settings)
    with (
        postgres.connect(settings.database_url, _TIMEOUT_SECONDS) as connection,
        postgres.cut_off_after(_LONGEST_SECONDS, connection),
    ):
        known = some | {name for (name,) in connection.execute(_KNOWN, (list(wanted),))}
        unknown = [name for name in wanted if name not in known]
        if unknown:
            some |= {name for (name,) in connection.execute(_SOME, (_MOST_COMPARED,))}
    return {name: _alike(name, some) for name in unknown}


def sentences(settings: Settings, wanted: Collection[str]) -> dict[str, str]:
    """What is to be said of each of these names that was never counted; nothing where that is not known."""
    try:
        found = never_counted(settings, wanted)
    except (psycopg.Error, RedisError, OSError):
        return {}
    return {
        name: f"{name}: no component of that name was ever counted"
        + (f"; did you mean {' or '.join(alike)}?" if alike else "")
        for name, alike in found.items()
    }


def _in_redis(settings: Settings) -> set[str]:
    with broker.client(settings, decode=True, timeout_seconds=_TIMEOUT_SECONDS, retries=0) as client:
        counted: Any = client.hkeys(keys.metrics("totals", settings.key_prefix))
    return {name for field in counted if (name := _component(field))}


def _component(field: str) -> str:
    kind, found = next(iter(fields.parts(field)), ""), labels(field)
    place = _PLACE.get(kind, len(found))
    if place >= len(found) or (kind == "event" and found[0] == "dead_letter_message"):
        return ""
    return found[place]


def _alike(name: str, names: Collection[str]) -> list[str]:
    """Those that it is a part of come first."""
    parts = sorted(each for each in names if name.lower() in each.lower())
    return [*parts, *(each for each in get_close_matches(name, names) if each not in parts)][:_MOST_ALIKE]
