"""Makes text from outside fit a text column of PostgreSQL, and an index over it."""

import re
from hashlib import sha256

REPLACEMENT = "\ufffd"
# An index row of three such columns stays below PostgreSQL's limit of 2,704 bytes.
MAX_CHARS = 200

_REFUSED = re.compile("[\x00\ud800-\udfff]")
_DIGEST_CHARS = 16


def clean(text: str) -> str:
    """The text with NUL and lone surrogates, which PostgreSQL refuses, replaced by U+FFFD."""
    return _REFUSED.sub(REPLACEMENT, text)


def is_clean(text: str) -> bool:
    """Whether PostgreSQL can store the text as it is."""
    return not _REFUSED.search(text)


def escaped(text: str) -> str:
    """The text with NUL and lone surrogates as the escapes that Python writes them in."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")


def identifier(text: str) -> str:
    """The text as an identifier: clean, at most 200 characters; a longer one ends in a digest of itself."""
    text = clean(text)
    if len(text) <= MAX_CHARS:
        return text
    digest = sha256(text.encode()).hexdigest()[:_DIGEST_CHARS]
    return f"{text[: MAX_CHARS - _DIGEST_CHARS - 1]}~{digest}"
