"""What a topic may be called."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_ALLOWED = "must be the name of a topic: 1 to 249 letters, digits, dots, underscores and hyphens"


def topic_refusal(name: Any) -> str:
    """Why Kafka takes no topic of this name; empty where it does."""
    return _of_text(name) if isinstance(name, str) else _ALLOWED


@lru_cache(maxsize=1024)
def _of_text(name: str) -> str:
    return "" if _TOPIC.fullmatch(name) and name not in {".", ".."} else _ALLOWED
