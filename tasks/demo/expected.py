"""What a file of hooks must lead to: its deliveries, by the ids that an ingest gives them."""

import json
from pathlib import Path

from orchestrator.errors import InvalidHook
from tasks.hooks.delivery import Delivery, parse
from tasks.hooks.ingest.occurrences import Occurrences


def deliveries_of(lines: Path, max_payload_bytes: int) -> dict[str, Delivery]:
    """Each delivery of the file by its id.

    Raises:
        InvalidHook: a line is no hook, with its number; or there is no hook at all.
    """
    deliveries = {}
    with Occurrences() as occurrences, lines.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                delivery = parse(json.loads(line), max_payload_bytes, occurrences.identify)
            except (ValueError, RecursionError) as error:
                raise InvalidHook(f"line {number} of {lines} is no hook: {error}") from None
            deliveries[delivery.id] = delivery
    if not deliveries:
        raise InvalidHook(f"there is no hook in {lines}")
    return deliveries
