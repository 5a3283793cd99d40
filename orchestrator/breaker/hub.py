"""The process's hub: one for its settings, another one in each forked child, none before it is needed."""

from __future__ import annotations

import atexit
import os
import threading

from orchestrator import settings
from orchestrator.breaker.serving import Hub


def hub() -> Hub:
    """The process's hub, for its settings; nothing is connected yet. A forked child has its own."""
    global _hub  # noqa: PLW0603 (a process has one)
    chosen = settings.current()
    present = _hub
    if present is not None and (present.url, present.prefix) == (chosen.redis_url, chosen.key_prefix):
        return present
    with _making:
        if _hub is present:
            forget()
            _keep_through_forks()
            _hub = Hub(chosen.redis_url, chosen.key_prefix)
        return hub()


def hears_of(name: str) -> bool:
    """Whether this process hears by itself what becomes of this breaker."""
    return _hub is not None and name in _hub.members


def forget() -> None:
    """End the process's hub, where there is one: the next call of a breaker makes another."""
    global _hub
    former, _hub = _hub, None
    if former is None:
        return
    former.close()
    for member in list(former.members.values()):
        member.start_anew(keep=False)


def flush() -> None:
    """Tell of the successes that were counted, and of the last changes.

    A process that ends without Python's exit does so before.
    """
    if _hub is None:
        return
    if _hub.is_up:
        _hub.flush()
    _hub.news.tell()


def _after_fork() -> None:
    # The parent's thread is not here, its connections are not ours, and its locks may be held.
    global _hub, _making
    _hub, _making = None, threading.RLock()


def _keep_through_forks() -> None:
    global _is_kept  # noqa: PLW0603 (a process registers once, and cannot take it back)
    if not _is_kept:
        _is_kept = True
        os.register_at_fork(after_in_child=_after_fork)
        atexit.register(flush)


_hub: Hub | None = None
_making = threading.RLock()
_is_kept = False
