"""Interrupts the main thread, also while it waits for the system: by SIGALRM, where nobody else uses that."""

from __future__ import annotations

import signal
import threading
from collections.abc import Set as AbstractSet
from typing import Any


class Alarm:
    """Handles SIGALRM while there are targets, and then gives it back.

    A signal that is under way when its handler is taken away would end the process: so then it stays until
    it has come.
    """

    def __init__(self, shielded: AbstractSet[int]) -> None:
        self._shielded = shielded
        self.is_missed = False
        self._targets: list[Any] = []
        self._is_handling = False
        self._is_under_way = False

    def take(self, target: Any) -> bool:
        """Whether this target can be interrupted by it; called in the thread of the target."""
        if threading.current_thread() is not threading.main_thread():
            return False
        handler = signal.getsignal(signal.SIGALRM)
        if handler == self._on_signal:
            # Also where somebody has put back what he found within a block.
            self._is_handling = True
        elif self._is_handling or handler is not signal.SIG_DFL or any(signal.getitimer(signal.ITIMER_REAL)):
            return False
        else:
            signal.signal(signal.SIGALRM, self._on_signal)
            self._is_handling = True
        self._targets.append(target)
        return True

    def is_ours(self) -> bool:
        """Whether it comes to us: within a block others may handle it, if only for a while."""
        return bool(signal.getsignal(signal.SIGALRM) == self._on_signal)

    def ring(self, target: Any) -> None:
        """Interrupt it; called from another thread, never by two at once nor while one is released."""
        target.is_wanted = True
        if not self._is_under_way:
            self._is_under_way = True
            signal.pthread_kill(target.flow, signal.SIGALRM)

    def release(self, target: Any) -> None:
        """It is over."""
        if target in self._targets:
            self._targets.remove(target)
        self._give_back()

    def forget(self) -> None:
        """Nobody is interrupted: this process was forked, and what was under way does not come here."""
        self.is_missed = self._is_under_way = False
        self._targets.clear()
        self._give_back()

    def _give_back(self) -> None:
        if self._targets or self._is_under_way or not self._is_handling:
            return
        self._is_handling = False
        if signal.getsignal(signal.SIGALRM) == self._on_signal:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def _on_signal(self, _signal: int, _frame: Any) -> None:
        self._is_under_way = False
        if threading.main_thread().ident in self._shielded:
            self.is_missed = True
            return
        self._raise()

    def catch_up(self) -> None:
        """Raise what was not because the thread was shielded; called by any thread that no longer is."""
        if threading.current_thread() is threading.main_thread():
            self.is_missed = False
            self._raise()

    def _raise(self) -> None:
        wanted = [target for target in self._targets if target.is_wanted and not target.is_over]
        for target in wanted:
            target.is_wanted = False
        self._give_back()
        if wanted:
            raise min(wanted, key=lambda target: float(target.ends_at)).exceeded()
