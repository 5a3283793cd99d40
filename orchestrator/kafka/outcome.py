"""What became of an event that was to be published."""

from __future__ import annotations

from typing import NamedTuple


class PublishOutcome(NamedTuple):
    """True only when the event is on its own topic: `if await client.publish_event(event): …`.

    Then `partition` and `offset` say where. Otherwise `error` says why not, and `dead_lettered` whether a
    letter was written, as `letter_id`. `attempts` were made, 0 where the circuit was open from the start.
    """

    topic: str
    attempts: int
    partition: int | None = None
    offset: int | None = None
    dead_lettered: bool = False
    letter_id: str = ""
    error: str = ""

    def __bool__(self) -> bool:
        return not self.error
