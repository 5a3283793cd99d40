"""Finds what holds a text in a list, hash or stream: the server looks, and sends only what it finds."""

import json
from collections.abc import Iterator
from typing import Any

from kombu.utils.encoding import bytes_to_str

from orchestrator.transport import scripts

# A step takes the server about a millisecond, also where messages are large.
_STEP, _STEP_BYTES = 200, 1024 * 1024


def ways_to_write(task_id: str) -> list[bytes]:
    """The bytes as which an id stands in JSON: escaped, as Python writes it, or as it is."""
    escaped = json.dumps(task_id).encode()
    plain = json.dumps(task_id, ensure_ascii=False).encode()
    return [escaped] if escaped == plain else [escaped, plain]


def search(client: Any, key: str, texts: list[bytes]) -> Iterator[tuple[str, bytes]]:
    """The places and values of what holds one of the texts; in a list what moves may be seen twice."""
    script = client.register_script(scripts.load("find").text)
    cursor: Any = b""
    while True:
        cursor, *found = script(keys=[key], args=[cursor, _STEP, _STEP_BYTES, *texts])
        for place, value in zip(found[::2], found[1::2], strict=True):
            yield bytes_to_str(place) if isinstance(place, bytes) else str(place), value
        if not cursor:
            return
