"""Dead letters as a shop with many faults would have them, and what one would look for among a million."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from orchestrator.index.filters import Filter
from orchestrator.index.states import UNSETTLED

BAR_MS, BAR_OF_WORDS_MS = 50.0, 500.0

# The newest letter has the number 1. What a letter has follows from its fingerprint, but for 3 % of them. Of
# 400 fingerprints and 3,000 words few are common; most letters are closed, and the newest ones are not.
_FILL: LiteralString = """
    INSERT INTO dead_letters (id, task_id, task, queue, correlation_id, reason, exception, message,
        fingerprint, worker, attempts, replays, first_failed_at, died_at, is_foreign, topic, state)
    SELECT encode(sha256(i::text::bytea), 'hex'), md5('task' || i)::uuid::text, 'shop.tasks.task_' || f %% 40,
        (ARRAY['celery','mails','invoices','imports','images','webhooks','reports','search'])
            [1 + f %% 40 %% 8],
        md5('correlation' || i / 4)::uuid::text,
        CASE WHEN luck < 0.03 THEN (ARRAY['worker_lost','hard_timeout','expired','rejected'])[1 + i %% 4]
             ELSE (ARRAY['retries_exhausted','exception','soft_timeout','exception','invalid'])[1 + f %% 5]
        END,
        'shop.errors.Error' || f %% 30,
        format('request %%s to host-%%s.example.com failed: %%s %%s %%s', i, i %% 200,
            (ARRAY['connection refused','timed out after 30 s','certificate has expired','no such customer',
                   'disk full'])[1 + f %% 5],
            'word' || floor(3000 ^ random()), 'word' || floor(3000 ^ random())),
        left(md5('print' || f), 16), 'celery@host-' || i %% 20, 1 + i %% 4, (luck < 0.1)::integer,
        died_at - interval '5 minutes', died_at, false, 'celery.dlq',
        CASE WHEN age < 0.05 AND luck < 0.6 THEN
                  CASE WHEN luck < 0.5 THEN 'open' WHEN luck < 0.55 THEN 'replaying' ELSE 'parked' END
             WHEN luck < 0.005 THEN 'open' WHEN luck < 0.007 THEN 'parked'
             WHEN age > 0.05 AND luck < 0.3 THEN 'archived' ELSE 'resolved' END
    FROM (SELECT i, floor(400 ^ random())::integer AS f, random() AS luck, i::float8 / %(rows)s AS age,
                 now() - interval '60 days' * (i::float8 / %(rows)s) AS died_at
          FROM generate_series(1, %(rows)s) AS i) AS numbered"""

_INDEXES: LiteralString = """
    SELECT indexname, indexdef FROM pg_indexes
    WHERE tablename = 'dead_letters' AND indexname <> 'dead_letters_pkey'"""


def fill(database: psycopg.Connection[Any], rows: int) -> None:
    """Write that many letters; their indexes are built afterwards, which is faster."""
    indexes = database.execute(_INDEXES).fetchall()
    for name, _ in indexes:
        database.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    database.execute("SELECT setseed(0.5)")
    database.execute(_FILL, {"rows": rows})
    for _, definition in indexes:
        database.execute(definition)
    database.execute("VACUUM ANALYZE dead_letters")


@dataclass(frozen=True)
class Case:
    """Something to look for, and within how many milliseconds; None: it is the worst that there is."""

    name: str
    filter: Filter
    bar_ms: float | None = BAR_MS


def cases(database: psycopg.Connection[Any]) -> Iterator[Case]:
    """Every documented filter by common, rare and missing values; then what does and does not go together."""
    yield from _single(database)
    yield from _together()
    yield from _words()


def _single(database: psycopg.Connection[Any]) -> Iterator[Case]:
    some = database.execute(
        "SELECT id, task_id, correlation_id FROM dead_letters ORDER BY id LIMIT 50"
    ).fetchall()
    prints = [
        row[0]
        for row in database.execute(
            "SELECT fingerprint FROM dead_letters GROUP BY fingerprint ORDER BY count(*) DESC"
        )
    ]
    yield Case("none", Filter())
    yield Case("usual states", Filter(states=UNSETTLED))
    yield Case("state archived, none of the newest", Filter(states=("archived",)))
    yield Case("50 ids", Filter(ids=tuple(row[0] for row in some)))
    yield Case("task id", Filter(task_ids=(some[0][1],)))
    yield Case("correlation id", Filter(correlation_ids=(some[0][2],)))
    yield Case("fingerprint, common", Filter(fingerprints=(prints[0],)))
    yield Case("fingerprint, rare, usual states", Filter(fingerprints=(prints[-1],), states=UNSETTLED))
    yield Case("queue", Filter(queues=("mails",)))
    yield Case("queue, usual states", Filter(queues=("mails",), states=UNSETTLED))
    yield Case("three queues, one unknown", Filter(queues=("mails", "search", "unknown")))
    yield Case("queue, unknown", Filter(queues=("unknown",)))
    yield Case("task", Filter(tasks=("shop.tasks.task_1",)))
    yield Case("reason, rare", Filter(reasons=("expired",)))
    yield Case("exception, usual states", Filter(exceptions=("shop.errors.Error3",), states=UNSETTLED))
    now = datetime.now(UTC)
    day = {"since": now - timedelta(days=40), "until": now - timedelta(days=39)}
    yield Case("since", Filter(since=now - timedelta(days=2)))
    yield Case("a day long ago", Filter(**day))  # type: ignore[arg-type]
    yield Case("a day long ago, queue", Filter(queues=("mails",), **day))  # type: ignore[arg-type]


def _together() -> Iterator[Case]:
    yield Case("queue and exception", Filter(queues=("mails",), exceptions=("shop.errors.Error3",)))
    yield Case(
        "queue, reason, usual states", Filter(queues=("mails",), reasons=("expired",), states=UNSETTLED)
    )
    yield Case("queue and task, never together", Filter(queues=("mails",), tasks=("shop.tasks.task_2",)))
    yield Case(
        "reason and exception, never together",
        Filter(reasons=("invalid",), exceptions=("shop.errors.Error1",)),
    )


def _words() -> Iterator[Case]:
    for name, filter_ in (
        ("a word of every message", Filter(text="request")),
        ("a common word", Filter(text="refused")),
        ("a rare word", Filter(text="word2990")),
        ("a number", Filter(text="777777")),
        ("a missing word", Filter(text="zebra")),
        ("a phrase", Filter(text='"connection refused"')),
        ("one word or another", Filter(text="expired or word5")),
        ("one word without another", Filter(text="failed -refused")),
        ("two common words, never together", Filter(text="refused certificate")),
        ("a common word, queue, usual states", Filter(text="refused", queues=("mails",), states=UNSETTLED)),
        ("a rare word, long ago", Filter(text="word900", until=datetime.now(UTC) - timedelta(days=50))),
    ):
        yield Case(name, filter_, BAR_OF_WORDS_MS)
    yield Case("common words, never in that order", Filter(text='"refused connection"'), None)
    yield Case("without a word of every message", Filter(text="-request"), None)
