"""A delivery as it arrives, {"event", "payload"[, "source", "delivery_id"]}: checked, not yet understood."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.errors import InvalidHook
from orchestrator.storable import MAX_CHARS, clean, is_clean

DEFAULT_SOURCE = "github"
# Deeper than any payload that is meant; below it neither Python's nor PostgreSQL's parser runs out of stack.
MAX_DEPTH = 200
_SHAPE = 'a hook is {"event", "payload"[, "source", "delivery_id"]}'
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was delivered; `payload_json` is the payload as it is stored, in ASCII."""

    id: str
    source: str
    event: str
    payload: dict[str, Any]
    payload_json: str

    def as_ingested(self) -> dict[str, Any]:
        """The delivery as `omninode.hooks.process` takes it."""
        return {"event": self.event, "payload": self.payload, "source": self.source, "delivery_id": self.id}


def parse(ingested: object, max_bytes: int, identify: Callable[[Delivery], str]) -> Delivery:
    """Check what was ingested; `identify` gives an id to a delivery that came without one.

    Raises:
        InvalidHook: naming the field, what was found and what is allowed.
    """
    if not isinstance(ingested, dict):
        raise InvalidHook(f"{_SHAPE}, an object; found {_found(ingested)}")
    delivery = Delivery(
        id=_delivery_id(ingested.get("delivery_id")),
        source=source_of(ingested),
        event=_name(ingested.get("event", _MISSING), "event"),
        payload=(payload := _payload(ingested.get("payload", _MISSING))),
        payload_json=_encode(payload, max_bytes),
    )
    return delivery if delivery.id else replace(delivery, id=identify(delivery))


def _delivery_id(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_CHARS or not is_clean(value):
        raise InvalidHook(
            f"`delivery_id` must be a text of 1 to {MAX_CHARS} characters without NUL and lone surrogates; "
            f"found {_found(value)}"
        )
    return value


def source_of(ingested: Mapping[str, Any]) -> str:
    """The source of a hook as it was ingested.

    Raises:
        InvalidHook: it names what can be none.
    """
    value = ingested.get("source")
    return DEFAULT_SOURCE if value is None else _name(value, "source")


def _name(value: object, field: str) -> str:
    if value is _MISSING:
        raise InvalidHook(f"`{field}` is missing: {_SHAPE}")
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_CHARS:
        raise InvalidHook(f"`{field}` must be a text of 1 to {MAX_CHARS} characters; found {_found(value)}")
    return clean(value)


def _payload(value: object) -> dict[str, Any]:
    if value is _MISSING:
        raise InvalidHook(f"`payload` is missing: {_SHAPE}")
    if not isinstance(value, dict):
        raise InvalidHook(f"`payload` must be an object; found {_found(value)}")
    if _is_deeper_than(value, MAX_DEPTH):
        raise InvalidHook(f"`payload` must be nested at most {MAX_DEPTH} levels deep; found more")
    return value


def _encode(payload: dict[str, Any], max_bytes: int) -> str:
    try:
        encoded = json.dumps(payload, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise InvalidHook(f"`payload` cannot be written as JSON: {error}") from None
    if len(encoded) > max_bytes:
        raise InvalidHook(
            f"`payload` must be at most {max_bytes:,} bytes of JSON (OMNINODE_HOOK_MAX_BYTES); "
            f"found {len(encoded):,}"
        )
    return encoded


def _is_deeper_than(value: Any, levels: int) -> bool:
    containers: list[Any] = [value]
    for _ in range(levels):
        inside = (part.values() if isinstance(part, dict) else part for part in containers)
        containers = [child for part in inside for child in part if isinstance(child, dict | list)]
        if not containers:
            return False
    return True


def _found(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return f"a text of {len(value):,} characters" if len(value) > MAX_CHARS else f"the text {value!a}"
    if isinstance(value, bool | int | float):
        return f"{json.dumps(value)}"[:MAX_CHARS]
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list | tuple) else f"a {type(value).__name__}"
