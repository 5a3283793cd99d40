"""Why a circuit turns events away: the last error of Kafka, as the fleet knows it, or this client."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future

from orchestrator.breaker import Breaker
from orchestrator.breaker.hub import hub
from orchestrator.breaker.report import told
from orchestrator.errors import BreakerOpen
from orchestrator.kafka.attempts import Failed

# However many events are turned away, Redis is asked as often as that.
_KNOWN_SECONDS = 1.0
# Nor does a letter wait for long to say it.
_ANSWER_SECONDS = 2.0


class Blame:
    """That of one client's breaker."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self._own = ""
        self._asked: Future[object] | None = None
        self._asked_until = 0.0

    async def of(self, ended: Failed) -> str:
        """The last error of the breaker, where it has turned an event away without any attempt; else ""."""
        if ended.own is not None:
            self._own = told(ended.own)
            return ""
        state = self._breaker.state
        is_out = state.circuit != "closed" and state.mode != "isolated"
        if not isinstance(ended.error, BreakerOpen) or not is_out:
            return ""
        return await self._last() or self._own

    async def _last(self) -> str:
        now = time.monotonic()
        if self._asked is None or now >= self._asked_until:
            self._asked, self._asked_until = hub().beside.submit(self._ask), now + _KNOWN_SECONDS
        try:
            # Who is cancelled here does not take the answer away from others.
            answer = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._asked)), _ANSWER_SECONDS)
            return str(answer)
        except Exception:
            # It is beside the point: the event becomes a letter all the same.
            return ""

    def _ask(self) -> str:
        details = hub().ask(lambda store: store.details(self._breaker.name))
        return details.error if details else ""
