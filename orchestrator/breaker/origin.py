"""Who this process is, in what it tells Redis of a breaker."""

from __future__ import annotations

import os
from uuid import uuid4


def origin() -> str:
    """A name that no other process has; a forked child is another process."""
    global _pid, _name
    if _pid != os.getpid():
        _pid, _name = os.getpid(), uuid4().hex
    return _name


_pid, _name = 0, ""
