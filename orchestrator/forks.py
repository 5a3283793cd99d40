"""Keeps forks and threads apart: a child inherits locks that other threads held, and nobody to release them.

A pool's child that is made while a thread of this process holds a lock (of a connection pool, of a lazy
attribute) waits for ever when it needs that lock itself. So threads that work beside the main loop do so
within `threads_at_work`, and a fork waits until none of them is.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

# A thread that takes longer than this waits for a server, and holds no lock meanwhile.
_PATIENCE_SECONDS = 1.0


class Gate:
    """Lets any number of threads work, or one fork happen.

    `patience_seconds` is how long a fork waits for the threads at work: it never waits for ever.
    """

    def __init__(self, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._reset()

    @contextmanager
    def threads_at_work(self) -> Iterator[None]:
        """Work as one of the threads; where a fork is under way, after it."""
        with self._changed:
            self._changed.wait_for(lambda: not self._forking)
            working = self._working
            working[threading.get_ident()] += 1
        try:
            yield
        finally:
            with self._changed:
                working[threading.get_ident()] -= 1
                self._changed.notify_all()

    @property
    def others_at_work(self) -> int:
        """How many threads are at work beside the one that asks."""
        me = threading.get_ident()
        return sum(bool(depth) for thread, depth in self._working.items() if thread != me)

    def before_fork(self) -> None:
        """Let no thread begin, and wait for those at work, within limits."""
        # Held until the fork is done.
        self._changed.acquire()
        self._changed.wait_for(lambda: not self._forking)
        self._forking = True
        self._changed.wait_for(lambda: self.others_at_work == 0, self._patience_seconds)

    def after_fork_in_parent(self) -> None:
        """Let the threads go on."""
        self._forking = False
        self._changed.notify_all()
        self._changed.release()

    def after_fork_in_child(self) -> None:
        """No thread but the one that forked is left; it may be in the middle of its work."""
        self._reset()

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._working: Counter[int] = Counter()
        self._forking = False


_gate = Gate()
threads_at_work = _gate.threads_at_work


def keep_apart() -> None:
    """From now on forks of this process wait for `threads_at_work`; calling it again changes nothing."""
    global _kept_apart  # noqa: PLW0603 (a process registers once, and cannot take it back)
    if _kept_apart:
        return
    _kept_apart = True
    os.register_at_fork(
        before=_gate.before_fork,
        after_in_parent=_gate.after_fork_in_parent,
        after_in_child=_gate.after_fork_in_child,
    )


_kept_apart = False
