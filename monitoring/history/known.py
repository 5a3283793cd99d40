"""All that is known of a time: what PostgreSQL has of it, and what is still in Redis."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg import Connection, IsolationLevel
from redis.exceptions import RedisError

from monitoring.history.reading import Period, by_period, of_time, together
from monitoring.history.tiers import Tier, minute_of, moment, start
from monitoring.history.values import is_readable, labels
from monitoring.history.windows import Window, Windows
from monitoring.rollup.encoding import read
from orchestrator import broker, postgres, redaction, redis
from orchestrator.settings import Settings

# Somebody waits for the answer: a server that is away is said soon, one that is slow after a while.
_TIMEOUT_SECONDS, _LONGEST_SECONDS = 5.0, 60.0
# First minute of a period → its sums, as fields and values.
_Periods = dict[int, dict[str, str]]


@dataclass(frozen=True)
class Known:
    """Sums by period, the oldest first; one period where no tier was asked for.

    `unknown` says by part (`history`, `recent`) what could not be found out, and why.
    """

    periods: tuple[Period, ...]
    unknown: Mapping[str, str] = field(default_factory=dict)


def know(
    settings: Settings,
    since: datetime,
    until: datetime | None,
    tier: Tier | None,
    about: Collection[str] = (),
) -> Known:
    """What was counted in the periods from that of `since` to before the minute of `until` (None: now).

    Of what has one of the labels `about` (it is a component's name, or a task's), or of all. Never raises.
    """
    unknown: dict[str, str] = {}
    # Before PostgreSQL, which then says what of it has been folded meanwhile.
    waiting = _waiting(settings, about, unknown)
    found: _Periods = {}
    try:
        with (
            postgres.connect(settings.database_url, _TIMEOUT_SECONDS) as connection,
            postgres.cut_off_after(_LONGEST_SECONDS, connection),
        ):
            # What is folded at this very moment is in both of these answers, or in none.
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            with connection.transaction():
                _drop_folded(connection, waiting)
                found = _folded(connection, since, until, tier, about)
    except psycopg.Error as error:
        said = str(error).partition("\n")[0]
        unknown["history"] = redaction.text(
            f"the history cannot be read from PostgreSQL ({said}): it is left out"
        )
    of, first = tier or "minute", minute_of(since)
    for window, stored in waiting.items():
        begins = start(window.minute, of)
        # A Redis whose clock is ahead has minutes after the present one too.
        if start(first, of) <= begins and (until is None or begins < minute_of(until)):
            period = begins if tier else first
            found[period] = together([found.get(period, {}), stored])
    periods = [Period(tier or "minute", moment(at), read(found[at])) for at in sorted(found) if found[at]]
    return Known(tuple(periods), unknown)


def _waiting(
    settings: Settings, about: Collection[str], unknown: dict[str, str]
) -> dict[Window, dict[str, str]]:
    found: defaultdict[Window, dict[str, str]] = defaultdict(dict)
    wanted = frozenset(about)
    try:
        with broker.client(
            settings, decode=True, timeout_seconds=redis.COMMAND_TIMEOUT_SECONDS, retries=0
        ) as client:
            for window, stored in Windows(client, settings.key_prefix).unfolded():
                found[window] = {
                    of: value
                    for of, value in stored.items()
                    if of[:1] == "[" and is_readable(of, value)
                    if not wanted or not wanted.isdisjoint(labels(of))
                }
    except (RedisError, OSError) as error:
        unknown["recent"] = redaction.text(
            f"the broker's Redis does not answer ({error}): what is not yet in PostgreSQL is left out"
        )
    return dict(found)


def _drop_folded(connection: Connection[Any], waiting: dict[Window, dict[str, str]]) -> None:
    minutes = [window.minute for window in waiting]
    for row in connection.execute(
        "SELECT minute, window_id FROM metric_folds WHERE minute = ANY(%s)", (minutes,)
    ):
        waiting.pop(Window(*row), None)


def _folded(
    connection: Connection[Any],
    since: datetime,
    until: datetime | None,
    tier: Tier | None,
    about: Collection[str],
) -> _Periods:
    if tier is None:
        return {minute_of(since): of_time(connection, since, until, about)}
    return by_period(connection, since, until, tier, about)
