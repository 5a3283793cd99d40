"""Embeds a text, finds its possible duplicates and gives it the nearest label."""

from dataclasses import dataclass
from typing import Any

from celery import Task, shared_task

from orchestrator import postgres
from tasks.models import ask
from tasks.models.local import NAME
from tasks.texts.labels import Label, nearest_label
from tasks.texts.similar import keep_similar
from tasks.texts.vectors import Vector, from_sql, to_sql


@dataclass(frozen=True)
class _Stored:
    content: str
    vector: Vector | None
    is_compared: bool


@shared_task(name="omninode.models.relate_text", bind=True)
def relate_text(self: "Task[..., Any]", text_id: int) -> None:
    """Embed the text, keep its pairs and its label. Done again, or for a text that is gone, it does nothing.

    A text without a vector (no word of it is known) is compared with nothing and gets no label.
    """
    stored = _read(text_id)
    if stored is None or stored.is_compared:
        return
    vector = stored.vector or _embed(text_id, stored.content, self.request.id)
    # The vector is committed before anything is compared. Of two tasks that work on similar texts at the same
    # time, the one that commits its vector later therefore sees the other's: every pair is found by at least
    # one of them. Compared before the commit, neither would see the other.
    _compare(text_id, nearest_label(vector))


def _read(text_id: int) -> _Stored | None:
    with postgres.transaction() as connection:
        row = connection.execute(
            "SELECT content, embedding::text, compared_at IS NOT NULL FROM texts WHERE id = %s", (text_id,)
        ).fetchone()
    if row is None:
        return None
    content, literal, is_compared = row
    return _Stored(content, from_sql(literal) if literal else None, is_compared)


def _embed(text_id: int, content: str, task_id: str | None) -> Vector:
    # No transaction is open while the model works.
    answer = ask(NAME, "embed", content, task_id=task_id)
    vector: Vector = answer.output[0]
    with postgres.transaction() as connection:
        connection.execute(
            """
            UPDATE texts SET embedding = %s::vector, model = %s, model_call_id = %s
            WHERE id = %s AND embedding IS NULL
            """,
            (to_sql(vector), NAME, answer.call_id, text_id),
        )
    return vector


def _compare(text_id: int, label: Label) -> None:
    with postgres.transaction() as connection:
        keep_similar(connection, text_id)
        connection.execute(
            """
            UPDATE texts SET label = %s, label_score = %s, compared_at = clock_timestamp()
            WHERE id = %s AND compared_at IS NULL
            """,
            (label.name, label.score, text_id),
        )
