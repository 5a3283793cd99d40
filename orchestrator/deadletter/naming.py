"""What dead-letter topics are called."""

import hashlib
import re

_LONGEST_NAME = 249
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9._-]")
_HASH_DIGITS = 8


def topic_of(queue: str, suffix: str) -> str:
    """The topic of a queue's dead letters: its name and the suffix, which is not added twice.

    What Kafka does not allow in a name is replaced. As two queues could then have one topic, a hash of the
    queue's name is added; so it is where the name would be too long.
    """
    stem = queue.removesuffix(suffix)
    allowed = _NOT_ALLOWED.sub("_", stem)
    if allowed == stem and (stem or queue) and len(stem) + len(suffix) <= _LONGEST_NAME:
        return stem + suffix
    return told_apart(allowed or "unknown", queue, suffix)


def told_apart(stem: str, name: str, suffix: str) -> str:
    """A topic for `name` that begins like `stem` and is nobody else's."""
    digest = hashlib.sha256(name.encode(errors="backslashreplace")).hexdigest()[:_HASH_DIGITS]
    room = _LONGEST_NAME - len(suffix) - _HASH_DIGITS - 1
    return f"{stem[:room]}-{digest}{suffix}"
