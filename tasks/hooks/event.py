"""A hook as handlers see it: one shape, whatever source it came from."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class HookEvent:
    """One delivered hook, normalised.

    `id` is the delivery id, `timestamp` is aware and in UTC. `resource` and `resource_id` name what the hook
    is about ("issue", "octocat/hello#1"), `correlation_id` what it belongs to: hooks about one issue, or one
    commit, share it. `action` is "" where the event has none. `previous_state` and `current_state` hold
    the same fields before and after, as far as the payload tells; `payload` is what was delivered.
    """

    id: str
    timestamp: datetime
    source: str
    event: str
    action: str
    resource: str
    resource_id: str
    correlation_id: str
    payload: dict[str, Any]
    previous_state: dict[str, Any]
    current_state: dict[str, Any]

    @property
    def name(self) -> str:
        """What handlers' patterns are held against: "github.issues.opened", or "github.push"."""
        return ".".join(part for part in (self.source, self.event, self.action) if part)
