"""What every provider of models can be asked for, whoever stands behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True)
class Embedded:
    """One vector a text, as the rows of a matrix; `tokens` is None where the provider does not say."""

    vectors: Vectors
    tokens: int | None


@dataclass(frozen=True)
class Reply:
    """What a model said, why it stopped, and what that cost; None where the provider does not say."""

    text: str
    finish_reason: str | None
    input_tokens: int | None
    output_tokens: int | None


class Provider(Protocol):
    """A model. Its errors are PermanentError where asking again cannot help, and any other where it may."""

    def embed(self, texts: Sequence[str]) -> Embedded:
        """One vector for each of the texts, in their order."""
        ...

    def chat(self, messages: Sequence[Mapping[str, str]], options: Mapping[str, Any]) -> Reply:
        """The model's next message."""
        ...
