"""What a destination says of what it was sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Answer:
    """It has taken it, it refuses it for good, or it is away and is asked again; `sentence` says why.

    `again_in_seconds`: when it wants to be asked again, where it has said so.
    """

    kind: Literal["taken", "refused", "away"]
    sentence: str = ""
    again_in_seconds: float = 0.0


TAKEN = Answer("taken")
