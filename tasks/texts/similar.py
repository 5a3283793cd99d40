"""Finds the texts that say nearly the same as a text, and keeps the pairs."""

from psycopg import Connection
from psycopg.rows import TupleRow

from orchestrator import settings

MAX_PAIRS = 10

# - pgvector's distance of a zero vector is NaN, which PostgreSQL holds greater than every number: such a text
#   is never near enough.
# - The locks keep the foreign keys true until the commit. A text that retention is deleting right now is
#   skipped: waiting for it could wait for ever, as retention may wait for one of ours.
# - The pairs are written in one order everywhere, so that two tasks never wait for each other's pairs.
_INSERT = """
    INSERT INTO similar_texts (text_id, other_id, score)
    SELECT least(own_id, other_id), greatest(own_id, other_id), 1 - distance
    FROM (
        SELECT own.id AS own_id, other.id AS other_id, own.embedding <=> other.embedding AS distance
        FROM texts AS own
        JOIN texts AS other ON other.model = own.model AND other.subject <> own.subject
        WHERE own.id = %(text_id)s AND own.embedding <=> other.embedding <= 1 - %(threshold)s::float8
        ORDER BY distance, other.id
        LIMIT %(max_pairs)s
        FOR KEY SHARE OF own, other SKIP LOCKED
    ) AS nearest
    ORDER BY 1, 2
    ON CONFLICT (text_id, other_id) DO UPDATE SET score = EXCLUDED.score
"""


def keep_similar(connection: Connection[TupleRow], text_id: int) -> None:
    """Compare the text with the texts of all other subjects that the same model has embedded.

    The best 10 whose cosine reaches the settings' threshold are kept; keeping them again changes nothing.
    """
    threshold = settings.current().similarity_threshold
    connection.execute(_INSERT, {"text_id": text_id, "threshold": threshold, "max_pairs": MAX_PAIRS})
