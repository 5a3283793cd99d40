"""Waits for others as long as something moves, and not for ever."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from orchestrator import redaction, times
from orchestrator.errors import OmniNodeError

_Result = TypeVar("_Result")


class IngestStopped(OmniNodeError):
    """The ingest cannot go on: it says how far it got, and running it again is safe."""


@dataclass(frozen=True)
class Patience:
    """How long nothing may move before a wait is given up."""

    seconds: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def begin(self) -> "Wait":
        """A wait that begins now."""
        return Wait(self)

    def persist(
        self,
        act: Callable[[], _Result],
        errors: tuple[type[Exception], ...],
        who: str,
        note: Callable[[str], None],
    ) -> _Result:
        """The result of `act`, which is tried again while it raises one of the errors; `note` is told once.

        Raises:
            IngestStopped: it did so for too long.
        """
        wait = self.begin()
        told = False
        while True:
            try:
                return act()
            except errors as error:
                reason = f"{who} does not answer ({_first_line(error)})"
                if not told:
                    note(f"{reason}; trying again for {times.length(self.seconds)}")
                told = True
                wait.pause("away", reason)


class Wait:
    """One wait: for room in the queue, for the broker, for the worker."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._sign: object = None
        self._since = patience.clock()

    def pause(self, sign: object, reason: str, seconds: float = 0.2) -> None:
        """Sleep for some seconds. `sign` is what another value of means that something moved.

        Raises:
            IngestStopped: with the reason, when nothing has moved for too long.
        """
        now = self._patience.clock()
        if sign != self._sign:
            self._sign, self._since = sign, now
        if now - self._since >= self._patience.seconds:
            raise IngestStopped(f"nothing moved for {times.length(self._patience.seconds)}: {reason}")
        self._patience.sleep(seconds)


def _first_line(error: Exception) -> str:
    return redaction.text(str(error).strip().partition("\n")[0])
