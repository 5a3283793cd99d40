"""Asks PostgreSQL and Redis what has happened; nothing here is counted by the demo itself."""

from dataclasses import dataclass
from typing import Any, LiteralString, TypeVar

from psycopg import Connection
from psycopg.rows import class_row
from redis import Redis

from orchestrator.routing import QUEUES
from tasks.hooks.stats import Stats, count

Row = TypeVar("Row")

_LATENCIES = """
    SELECT count(*) FILTER (WHERE outcome = 'ok') AS ok, count(*) AS calls,
           1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_seconds) AS p50_ms,
           1000 * percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_seconds) AS p95_ms
    FROM model_calls WHERE model = 'local'"""
_SETTLED = """
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50_seconds,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95_seconds
    FROM (SELECT extract(epoch FROM settled_at - enqueued_at)::float8 AS seconds FROM hook_events
          WHERE enqueued_at IS NOT NULL) AS waits"""
# The best pair of two subjects, whose texts may have several versions each.
_PAIRS = """
    SELECT score, kind, subject, content, other_kind, other_subject, other_content
    FROM (SELECT DISTINCT ON (least(a.subject, b.subject), greatest(a.subject, b.subject))
                 score, a.kind AS kind, a.subject AS subject, a.content AS content,
                 b.kind AS other_kind, b.subject AS other_subject, b.content AS other_content
          FROM similar_texts JOIN texts a ON a.id = text_id JOIN texts b ON b.id = other_id
          ORDER BY least(a.subject, b.subject), greatest(a.subject, b.subject), score DESC) AS best
    ORDER BY score DESC, subject LIMIT %s"""
_LABELS = """
    SELECT label, count(*) AS texts, (array_agg(content ORDER BY label_score DESC))[1] AS example
    FROM texts WHERE label IS NOT NULL GROUP BY label ORDER BY count(*) DESC, label"""


@dataclass(frozen=True)
class ModelCalls:
    """Of the built-in model: how many calls there were, how many went well, and how long they took."""

    calls: int
    ok: int
    p50_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True)
class Waits:
    """From the enqueue of a hook to its commit."""

    p50_seconds: float | None
    p95_seconds: float | None


@dataclass(frozen=True)
class Pair:
    """Two texts about different subjects that say nearly the same."""

    score: float
    kind: str
    subject: str
    content: str
    other_kind: str
    other_subject: str
    other_content: str


@dataclass(frozen=True)
class Label:
    """A label, how many texts it is nearest to, and the one that it fits best."""

    label: str
    texts: int
    example: str


@dataclass(frozen=True)
class Figures:
    """Everything that the report shows; `queued` is what waits in the broker, by queue."""

    hooks: Stats
    waits: Waits
    model_calls: ModelCalls
    texts: int
    resources: int
    staged: int
    queued: dict[str, int]
    pairs: tuple[Pair, ...]
    labels: tuple[Label, ...]


def ask_for_figures(database: Connection[Any], redis: Redis, pairs: int = 5) -> Figures:
    """Everything, with the `pairs` most similar texts."""
    return Figures(
        hooks=count(),
        waits=_one(database, Waits, _SETTLED),
        model_calls=_one(database, ModelCalls, _LATENCIES),
        texts=_count(database, "SELECT count(*) FROM texts"),
        resources=_count(database, "SELECT count(*) FROM resources"),
        staged=_count(database, "SELECT count(*) FROM staged_tasks"),
        queued={queue: int(str(redis.llen(queue))) for queue in QUEUES},
        pairs=tuple(_all(database, Pair, _PAIRS, pairs)),
        labels=tuple(_all(database, Label, _LABELS)),
    )


def _all(database: Connection[Any], row: type[Row], query: LiteralString, *values: object) -> list[Row]:
    with database.cursor(row_factory=class_row(row)) as cursor:
        return cursor.execute(query, values).fetchall()


def _one(database: Connection[Any], row: type[Row], query: LiteralString) -> Row:
    return _all(database, row, query)[0]


def _count(database: Connection[Any], query: LiteralString) -> int:
    row = database.execute(query).fetchone()
    return int(row[0]) if row else 0
