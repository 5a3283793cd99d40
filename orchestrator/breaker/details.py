"""All that is known of one breaker, for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.breaker import wire
from orchestrator.breaker.state import State
from orchestrator.policy import Policy


@dataclass(frozen=True, slots=True)
class Details:
    """One breaker of the fleet; moments are Unix seconds of Redis's clock, 0 where there is none."""

    state: State
    policy: Policy
    since: float
    """Since when its circuit is what it is; 0: always."""
    why: str
    """Why the circuit changed last."""
    trips: int
    """How often it has opened in a row: the open time doubles with each."""
    tripped: int
    """How often it has opened since it is known."""
    tripped_at: float
    failures: int
    """In a row, until now."""
    ok: int
    """Calls of the window that went well."""
    failed: int
    slow: int
    """Of those that went well and those that failed together."""
    probing: int
    """Half-open: probes under way."""
    succeeded: int
    """Half-open: probes that went well."""
    error: str
    """The dependency's last failure, without secrets."""
    error_at: float
    mode_why: str
    mode_who: str
    mode_at: float
    seen_at: float
    """When a process said last that it uses it, or somebody changed it by hand."""
    now: float
    """When this was read."""


def read(name: str, told: list[Any]) -> Details | None:
    """The details in the reply of `details.lua`; None where there is no such breaker."""
    state, flat, ok, failed, slow, probing, registered, now = told
    if not state and not registered:
        return None
    texts = list(map(wire.plain, flat))
    fields = dict(zip(texts[::2], texts[1::2], strict=True))

    def number(field: str) -> int:
        return int(float(fields.get(field) or 0))

    return Details(
        state=wire.state(state) if state else State(name),
        policy=wire.policy(fields.get("policy", ""), Policy()),
        since=number("at") / 1000,
        why=fields.get("why", ""),
        trips=number("trips"),
        tripped=number("tripped"),
        tripped_at=number("tripped_at") / 1000,
        failures=number("failures"),
        ok=int(ok),
        failed=int(failed),
        slow=int(slow),
        probing=int(probing),
        succeeded=number("succeeded"),
        error=fields.get("error", ""),
        error_at=number("error_at") / 1000,
        mode_why=fields.get("mode_why", ""),
        mode_who=fields.get("mode_who", ""),
        mode_at=number("mode_at") / 1000,
        seen_at=float(registered or 0),
        now=int(now) / 1000,
    )
