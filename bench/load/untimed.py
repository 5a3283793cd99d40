"""OmniNode's app of `bench/transport.py` without deadlines and without the table of what runs.

It records nothing either: who knows of no time has nothing to record. There is no such switch: here the
worker's own functions are replaced by ones that do nothing.
"""

from typing import Any

from bench.load.unrecorded import app
from orchestrator.worker import deadlines, in_time, request, timing

__all__ = ["app"]


class Untimed:
    """Knows nothing of a task's time."""

    def begin(self, *_: Any) -> None:
        """Enter nothing."""

    def recover(self) -> None:
        """Nobody was told to stop."""

    def tell(self, *_: Any) -> None:
        """Tell nobody."""

    def end(self) -> None:
        """Leave nothing."""


def _nothing(*_: Any) -> None:
    """Say nothing."""


_UNTIMED = Untimed()
_REPLACED: tuple[tuple[Any, str, Any], ...] = (
    (deadlines, "tell", _nothing),
    (deadlines, "is_over", lambda *_: False),
    (in_time, "begin", _nothing),
    (request, "Timing", lambda *_: _UNTIMED),
    (timing, "of_callback", _nothing),
)
for _room, _name, _instead in _REPLACED:
    # What has another name by now would be measured as if it cost nothing.
    if not callable(getattr(_room, _name)):
        raise TypeError(f"{_room.__name__}.{_name} is not there")
    setattr(_room, _name, _instead)
