"""Holds what the servers have against what the input must have led to, and names what is missing."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from psycopg import Connection

from tasks.demo.figures import Figures
from tasks.demo.run import REPEATED
from tasks.hooks.delivery import Delivery
from tasks.texts.extract import Text, extract

# A unit vector has length 1; a model that embedded nothing leaves zeros.
_EMBEDDED = """
    SELECT t.subject, t.content,
           t.embedding IS NOT NULL AND vector_norm(t.embedding) > 0.5 AS embedded,
           t.label IS NOT NULL AND t.compared_at IS NOT NULL AS labelled,
           EXISTS (SELECT FROM model_calls c WHERE c.id = t.model_call_id AND c.outcome = 'ok') AS recorded
    FROM texts t"""
# A text's nearest neighbour is among the pairs, if it is near enough.
_UNPAIRED = """
    SELECT a.subject, nearest.subject
    FROM texts a CROSS JOIN LATERAL (
        SELECT b.id, b.subject, 1 - (a.embedding <=> b.embedding) AS score FROM texts b
        WHERE b.subject <> a.subject AND b.model = a.model AND vector_norm(b.embedding) > 0
        ORDER BY score DESC LIMIT 1) AS nearest
    WHERE nearest.score >= %s AND vector_norm(a.embedding) > 0 AND NOT EXISTS (
        SELECT FROM similar_texts s
        WHERE s.text_id = least(a.id, nearest.id) AND s.other_id = greatest(a.id, nearest.id)
           OR s.score >= nearest.score - 1e-4 AND a.id IN (s.text_id, s.other_id))"""


def whatever_is_missing(
    database: Connection[Any],
    deliveries: Mapping[str, Delivery],
    figures: Figures,
    similarity_threshold: float,
) -> list[str]:
    """One sentence for each thing that is not there; none when all went well.

    `deliveries` is what the input holds, by delivery id.
    """
    return [
        *_unprocessed(database, deliveries),
        *_texts(database, deliveries.values()),
        *_pairs(database, similarity_threshold),
        *_left_over(figures),
        *_duplicates(figures, min(REPEATED, len(deliveries))),
    ]


def _unprocessed(database: Connection[Any], deliveries: Mapping[str, Delivery]) -> Iterator[str]:
    rows = database.execute(
        "SELECT delivery_id, status, error FROM hook_events WHERE delivery_id = ANY(%s)", (list(deliveries),)
    )
    found = {delivery_id: (status, error) for delivery_id, status, error in rows}
    for delivery_id, delivery in deliveries.items():
        status, error = found.get(delivery_id, ("not stored", None))
        if status != "processed":
            yield f"hook {delivery_id} ({delivery.event}) is {status}{f': {error}' if error else ''}"


def _texts(database: Connection[Any], deliveries: Iterable[Delivery]) -> Iterator[str]:
    found = {(subject, content): rest for subject, content, *rest in database.execute(_EMBEDDED)}
    expected: dict[tuple[str, str], Text] = {
        (text.subject, text.content): text
        for delivery in deliveries
        for text in extract(delivery.event, delivery.payload)
    }
    for key, text in expected.items():
        embedded, labelled, recorded = found.get(key, (None, None, None))
        if embedded is None:
            yield f"the text of {text.kind} {text.subject} is not stored"
        elif not embedded:
            yield f"the text of {text.kind} {text.subject} has no embedding"
        elif not labelled:
            yield f"the text of {text.kind} {text.subject} has no label"
        elif not recorded:
            yield f"the model call for {text.kind} {text.subject} is not recorded"


def _pairs(database: Connection[Any], similarity_threshold: float) -> Iterator[str]:
    for subject, nearest in database.execute(_UNPAIRED, (similarity_threshold,)):
        yield f"{subject} and {nearest} are similar, and no pair says so"


def _left_over(figures: Figures) -> Iterator[str]:
    if figures.staged:
        yield f"{figures.staged} staged tasks were not sent"
    for queue, messages in figures.queued.items():
        if messages:
            yield f"{messages} messages still wait in the queue {queue}"


def _duplicates(figures: Figures, repeated: int) -> Iterator[str]:
    if figures.hooks.duplicates < repeated:
        yield f"{repeated} deliveries were sent twice, {figures.hooks.duplicates} were seen to be duplicates"
