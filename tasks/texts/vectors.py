"""Vectors between Python and pgvector, in the form of text."""

import json
from collections.abc import Sequence

Vector = Sequence[float]


def to_sql(vector: Vector) -> str:
    """The vector as a literal of pgvector's type."""
    return f"[{','.join(map(repr, vector))}]"


def from_sql(literal: str) -> Vector:
    """The vector that pgvector's literal stands for."""
    vector: list[float] = json.loads(literal)
    return vector
