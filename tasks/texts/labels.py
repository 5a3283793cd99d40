"""Which of the configured labels is nearest to a text."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from orchestrator import settings
from tasks.models import ask
from tasks.models.local import NAME
from tasks.models.operations import cosines
from tasks.texts.vectors import Vector


@dataclass(frozen=True)
class Label:
    """A label and its cosine with the text; both None for a text without a vector, which is near to none."""

    name: str | None
    score: float | None


def nearest_label(vector: Vector) -> Label:
    """The nearest of the settings' labels; the model is asked for theirs once a process."""
    if not any(vector):
        return Label(None, None)
    labels = settings.current().labels
    scores = cosines(np.vstack([np.asarray(vector), _label_vectors(labels)]))
    nearest = int(np.argmax(scores))
    return Label(labels[nearest], float(scores[nearest]))


@lru_cache(maxsize=4)
def _label_vectors(labels: tuple[str, ...]) -> NDArray[np.float64]:
    return np.array(ask(NAME, "embed", list(labels)).output)
