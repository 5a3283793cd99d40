"""Asks PostgreSQL, which may be away: each try that fails makes the next one later, and one line says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

from orchestrator import redaction
from orchestrator.relay.trouble import Trouble
from orchestrator.retry.backoff import ceiling_seconds

T = TypeVar("T")

_BASE_SECONDS, _MOST_SECONDS = 0.5, 15.0


class Patience:
    """Whether PostgreSQL is there, as far as is known: `error` is empty when it is."""

    def __init__(self, loop: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._trouble = Trouble(loop)
        self._clock = clock
        self._failures = 0
        self._asks_at = 0.0

    @property
    def error(self) -> str:
        """Why it does not answer."""
        return self._trouble.error

    def ask(self, what: Callable[[], T]) -> T | None:
        """The answer; None where PostgreSQL is away, or was a moment ago."""
        if self._clock() < self._asks_at:
            return None
        try:
            answer = what()
        except psycopg.Error as error:
            self._trouble.is_there(f"PostgreSQL: {redaction.text(str(error)).strip().splitlines()[0]}")
            self._failures += 1
            pause = ceiling_seconds(self._failures - 1, _BASE_SECONDS, _MOST_SECONDS)
            self._asks_at = self._clock() + pause
            return None
        self._failures, self._asks_at = 0, 0.0
        self._trouble.is_over()
        return answer

    def tell(self, what: Callable[[], object]) -> bool:
        """Whether it was done."""
        return self.ask(lambda: (what(), True)) is not None
