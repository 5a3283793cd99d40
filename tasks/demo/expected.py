"""What a file of hooks must lead to: its deliveries, by the ids that an ingest gives them."""

import json
from pathlib import Path

from tasks.hooks.delivery import Delivery, parse
from tasks.hooks.ingest.occurrences import Occurrences


def deliveries_of(lines: Path, max_payload_bytes: int) -> dict[str, Delivery]:
    """Each delivery of the file by its id.

    Raises:
        InvalidHook: a line is no hook.
    """
    with Occurrences() as occurrences, lines.open("rb") as stream:
        parsed = [
            parse(json.loads(line), max_payload_bytes, occurrences.identify)
            for line in stream
            if line.strip()
        ]
    return {delivery.id: delivery for delivery in parsed}
