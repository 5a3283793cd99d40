"""What a process has around it: memory, connections, and circuits known to be open. Asks no server."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator import connections
from orchestrator.breaker.registry import registry
from orchestrator.breaker.state import State

_STATM = Path("/proc/self/statm")


@dataclass(frozen=True)
class Surroundings:
    """Open connections by service; what is said of circuits by breaker. None: it cannot be found out here."""

    memory_bytes: int | None = None
    connections: Mapping[str, int] = field(default_factory=dict)
    circuits: Mapping[str, str] = field(default_factory=dict)


def of_this_process() -> Surroundings:
    """As it is now."""
    return Surroundings(_memory_bytes(), connections.active(), _circuits())


def _memory_bytes() -> int | None:
    """What is resident; where the system does not say, the most that ever was."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def _circuits() -> dict[str, str]:
    states = [breaker.state for breaker in registry.all() if breaker.standing.is_known]
    return {state.name: _words(state) for state in states if state.is_out}


def _words(state: State) -> str:
    if state.mode == "isolated":
        return "is isolated by hand: calls of it are not made"
    if state.circuit == "open":
        return "is open: calls of it are not made"
    return "was open, and is being tried: few calls of it are made"
