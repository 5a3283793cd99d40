"""Every Redis key: one function each, with its type, its writer and its time to live.

Keys carry the version of their content's schema: what cannot be read by an older release gets a new number.
"""

_PREFIX = "omninode:1"

DAY_SECONDS = 86_400


def health() -> str:
    """Hash, check → its last result as JSON. Written whole by `omninode.health.check`; lives for a day."""
    return f"{_PREFIX}:health"


def beat() -> str:
    """String, JSON: what beat last said of itself. Written by beat whenever it sends; lives for a day."""
    return f"{_PREFIX}:beat"
