"""What a loop waits for to be over: logged when it begins, changes and ends, not at every try."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

_LOG = structlog.get_logger(__name__)


class Trouble:
    """`error` is what the loop suffers from now, empty when all is well; `since` says from when on."""

    def __init__(self, loop: str) -> None:
        self._loop = loop
        self.error = ""
        self.since: datetime | None = None

    def is_there(self, error: str) -> None:
        """The loop cannot go on for now."""
        if error == self.error:
            return
        self.error = error
        self.since = self.since or datetime.now(UTC)
        _LOG.warning("relay_waits", loop=self._loop, error=error)

    def is_over(self) -> None:
        """It goes on."""
        if not self.error:
            return
        self.error, self.since = "", None
        _LOG.info("relay_goes_on", loop=self._loop)
