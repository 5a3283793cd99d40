"""What tells the letter of an event from a task's: fields of its outbox entry, a header of its record."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

# Publishes an event to its topic: what a replay of its letter is.
TASK = "omninode.events.publish"
QUEUE = "admin"
# In the entry: that it is an event's, with the key; and the suffix of its topic's name, where it has its own.
FIELD = "event_key"
SUFFIX = "dlq_suffix"
# Among the headers of a death: the event's key, in base64, "" where it has none.
HEADER = "omninode-event-key"
# The outcome of a letter whose event its own client has published after all.
PUBLISHED = "published"

_NONE, _SOME = "-", "+"


def spelled(key: bytes | None) -> str:
    """A key as text; an empty key is not none."""
    return _NONE if key is None else _SOME + base64.b64encode(key).decode()


def key_of(text: Any) -> bytes | None:
    """The key that is spelled so; None where there is none."""
    if not isinstance(text, str) or not text.startswith(_SOME):
        return None
    try:
        return base64.b64decode(text[1:], validate=True)
    except (binascii.Error, ValueError):
        return None


def is_event(headers: Mapping[str, Any]) -> bool:
    """Whether a death with these headers is an event's."""
    return isinstance(headers.get(HEADER), str)
