"""Circuit breakers that a whole fleet shares: free while all is well, agreed on in Redis when it is not."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.breaker.circuits import circuit
    from orchestrator.breaker.guard import Breaker
    from orchestrator.breaker.permit import Permit
    from orchestrator.breaker.registry import breaker

__all__ = ["Breaker", "Permit", "breaker", "circuit"]

_ROOMS = {"Breaker": "guard", "Permit": "permit", "breaker": "registry", "circuit": "circuits"}


def __getattr__(name: str) -> Any:
    # Whoever only reads a state or a policy does not load what connects.
    if name not in _ROOMS:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
