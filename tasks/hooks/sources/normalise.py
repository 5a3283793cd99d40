"""A checked delivery → the one `HookEvent` that handlers see."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator.storable import identifier
from tasks.hooks.delivery import Delivery
from tasks.hooks.event import HookEvent
from tasks.hooks.sources import github, states
from tasks.hooks.sources.reading import Reading, moment, text_at


def _read_any(event: str, payload: dict[str, Any]) -> Reading:
    """A payload of an unknown source: read by names that many use."""
    return Reading(
        resource=event,
        resource_id=text_at(payload, "id", "uuid", "key", "name"),
        correlation_id=text_at(payload, "correlation_id"),
        about=payload,
        moments=tuple(payload.get(name) for name in ("timestamp", "occurred_at", "updated_at", "created_at")),
    )


_READERS: Mapping[str, Callable[[str, dict[str, Any]], Reading]] = {"github": github.read}


def normalise(delivery: Delivery, now: datetime) -> HookEvent:
    """Read out of the payload what it tells; `now` (aware) is the timestamp where it names no moment."""
    reading = _READERS.get(delivery.source, _read_any)(delivery.event, delivery.payload)
    found = (moment(value, now) for value in reading.moments)
    previous, current = states.previous_and_current(delivery.payload, reading.about)
    action = delivery.payload.get("action")
    return HookEvent(
        id=delivery.id,
        timestamp=next((each for each in found if each), now.astimezone(UTC)),
        source=delivery.source,
        event=delivery.event,
        action=identifier(action) if isinstance(action, str) else "",
        resource=identifier(reading.resource),
        resource_id=identifier(reading.resource_id or delivery.id),
        correlation_id=identifier(reading.correlation_id or delivery.id),
        payload=delivery.payload,
        previous_state=previous,
        current_state=current,
    )
