"""What a process's breakers have done by others: for those who must not wait for Redis, nor for a lock."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec

from orchestrator import forks

P = ParamSpec("P")

_SENDERS = 4
# Probes that were given up; of more than these the leases end by themselves.
_MOST_LATER = 10_000


class Beside:
    """A few threads, made when they are needed; and what the hub's thread does soon."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._senders: ThreadPoolExecutor | None = None
        self._later: deque[Callable[[], object]] = deque(maxlen=_MOST_LATER)

    def submit(self, work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Future[object]:
        """Have it done by another thread: for those who must not wait for Redis."""
        try:
            with self._lock:
                if self._senders is None:
                    forks.keep_apart()
                    self._senders = ThreadPoolExecutor(_SENDERS, thread_name_prefix="omninode-breaker")
                return self._senders.submit(_at_work, partial(work, *args, **kwargs))
        except RuntimeError:
            # The process is about to end, and takes no more threads.
            done: Future[object] = Future()
            done.set_result(work(*args, **kwargs))
            return done

    def later(self, work: Callable[[], object]) -> None:
        """Have it done soon by the hub's thread; takes no lock: what is collected as garbage must not."""
        self._later.append(work)

    def do_later(self) -> None:
        """Do what was put off; called by the hub's thread."""
        while self._later:
            self._later.popleft()()

    def close(self) -> None:
        """Finish what is under way."""
        if self._senders is not None:
            self._senders.shutdown()


def _at_work(work: Callable[[], object]) -> object:
    with forks.threads_at_work():
        return work()
