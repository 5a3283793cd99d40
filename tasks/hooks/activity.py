"""Keeps the table `resources`: what is known of each resource that GitHub's hooks spoke of."""

from tasks.hooks.event import HookEvent
from tasks.hooks.hook import Hook
from tasks.hooks.registry import on
from tasks.hooks.sources.github_events import EVENTS
from tasks.hooks.store import to_json

_PATTERNS = tuple(pattern for name in EVENTS for pattern in (f"github.{name}", f"github.{name}.*"))

# Hooks arrive in any order: what happened last by its own time stands, and is not moved back.
_REMEMBER = """
    INSERT INTO resources AS known (
        source, resource, resource_id, first_seen_at, last_seen_at, last_action, state
    )
    VALUES (%(source)s, %(resource)s, %(resource_id)s, %(at)s, %(at)s, %(action)s, %(state)s)
    ON CONFLICT (source, resource, resource_id) DO UPDATE SET
        events = known.events + 1,
        first_seen_at = least(known.first_seen_at, EXCLUDED.first_seen_at),
        last_seen_at = greatest(known.last_seen_at, EXCLUDED.last_seen_at),
        last_action = CASE WHEN EXCLUDED.last_seen_at >= known.last_seen_at
                           THEN EXCLUDED.last_action ELSE known.last_action END,
        state = CASE WHEN EXCLUDED.last_seen_at >= known.last_seen_at
                     THEN EXCLUDED.state ELSE known.state END,
        stored_at = EXCLUDED.stored_at
"""


@on(*_PATTERNS)
def remember_resource(event: HookEvent, hook: Hook) -> None:
    """Note when the resource was first and last seen, what last happened to it, and where it stands."""
    hook.connection.execute(
        _REMEMBER,
        {
            "source": event.source,
            "resource": event.resource,
            "resource_id": event.resource_id,
            "at": event.timestamp,
            "action": event.name.removeprefix(f"{event.source}."),
            "state": to_json(event.current_state),
        },
    )
