"""Names that are counted under: any text, but of a bounded length, and with its secrets masked."""

from __future__ import annotations

from hashlib import sha256

from orchestrator import redaction

LONGEST = 200
# What the others are counted under, where there are too many.
OTHER = "other"
_TAIL = 12


def name(text: str) -> str:
    """The text with its secrets masked; more than 200 characters are cut, and a hash tells them apart."""
    # Half a surrogate pair cannot be sent to anybody.
    text = redaction.text(text.encode("utf-8", "backslashreplace").decode())
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST - _TAIL - 1]}…{sha256(text.encode()).hexdigest()[:_TAIL]}"
