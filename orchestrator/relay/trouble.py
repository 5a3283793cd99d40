"""What a loop waits for to be over: logged when it begins and ends, not at every try."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

_LOG = structlog.get_logger(__name__)
# Clients say the same thing in ever other words: with counts, ports, or by turns.
_TOLD_AGAIN_SECONDS = 60.0


class Trouble:
    """`error` is what the loop suffers from now, empty when all is well.

    Another error is logged once a minute at the most.
    """

    def __init__(self, loop: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._loop = loop
        self._clock = clock
        self._told_at = 0.0
        self.error = ""

    def is_there(self, error: str) -> None:
        """The loop cannot go on for now."""
        if error == self.error:
            return
        is_new = not self.error
        self.error = error
        if is_new or self._clock() - self._told_at >= _TOLD_AGAIN_SECONDS:
            self._told_at = self._clock()
            _LOG.warning("relay_waits", loop=self._loop, error=error)

    def is_over(self) -> None:
        """It goes on."""
        if not self.error:
            return
        self.error = ""
        _LOG.info("relay_goes_on", loop=self._loop)
