"""Deliveries for tests."""

from typing import Any

from tasks.hooks.delivery import Delivery, parse

LIMIT = 10_000


def delivery(event: str, payload: dict[str, Any], source: str = "github", id: str = "d-1") -> Delivery:  # noqa: A002
    return parse(
        {"event": event, "payload": payload, "source": source, "delivery_id": id}, LIMIT, lambda _: ""
    )


def delivery_of(ingested: object, limit: int = LIMIT) -> Delivery:
    return parse(ingested, limit, lambda _: "made-up")
