"""Tells of a Kafka that is away once, however many connections find it out, and however often."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

# Without a line for so long it was over: the next one is news.
_SILENCE_SECONDS = 60.0
_MOST = 1000
# What librdkafka calls a connection that failed, and requests that were not answered.
_OF_A_BROKER = frozenset({"FAIL", "REQTMOUT"})
_BROKER = re.compile(r"(?:\[thrd:[^\]]*\]: )?(\S+:\d+)/")
_CHANGES_EACH_TIME = re.compile(r"\[thrd:[^\]]*\]: | \(after .*")


class Repeats(logging.Filter):
    """Lets a broker's failing through once, as a warning: it is tried again; so it does every other line.

    `clock` in seconds that only grow. Lines that were told are forgotten after a minute in which they were
    not repeated.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is to be written."""
        if not isinstance(record.args, tuple) or len(record.args) != 3:  # noqa: PLR2004 (librdkafka's lines)
            return True
        facility, _, text = map(str, record.args)
        broker = _BROKER.match(text) if facility in _OF_A_BROKER else None
        if broker:
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return self._is_new(("", broker[1]) if broker else (facility, _CHANGES_EACH_TIME.sub("", text)))

    def _is_new(self, line: tuple[str, str]) -> bool:
        now = self._clock()
        before = self._seen.get(line)
        if before is None and len(self._seen) >= _MOST:
            self._seen.clear()
        self._seen[line] = now
        return before is None or now - before >= _SILENCE_SECONDS
