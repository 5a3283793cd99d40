"""Names that are counted under: any text, but in a line of a bounded length, and with its secrets masked."""

from __future__ import annotations

import re
from hashlib import sha256

from orchestrator import redaction

LONGEST = 200
# What the others are counted under, where there are too many.
OTHER = "other"
_TAIL = 12
# What a terminal obeys, what ends a line, and NUL, which PostgreSQL takes in no text.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def name(text: str) -> str:
    """The text with its secrets masked, and its control characters escaped as in Python's literals.

    More than 200 characters are cut, and a hash tells them apart. Of what is such a name it is the same.
    """
    # Half a surrogate pair cannot be sent to anybody.
    text = redaction.text(text.encode("utf-8", "backslashreplace").decode())
    text = _CONTROL.sub(_escaped, text)
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST - _TAIL - 1]}…{sha256(text.encode()).hexdigest()[:_TAIL]}"


def _escaped(found: re.Match[str]) -> str:
    return repr(found[0])[1:-1]
