"""Makes any string fit for UTF-8, PostgreSQL and tokenizers."""

import re

# Python strings may hold surrogates, which UTF-8 cannot; PostgreSQL's text cannot hold NUL.
_UNFIT = re.compile("[\x00\ud800-\udfff]")


def well_formed(text: str) -> str:
    """The text with NUL and every lone surrogate replaced by U+FFFD."""
    return _UNFIT.sub("\ufffd", text)
