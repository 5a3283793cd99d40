"""Names that are recorded: any text, but a bounded length, and a bounded number of them."""

from __future__ import annotations

from orchestrator.errors import InvalidMeasure
from orchestrator.tally.names import OTHER, name

MOST_COMPONENTS, MOST_OPERATIONS, MOST_PAIRS, MOST_ERROR_TYPES = 200, 50, 1000, 50


def label(what: str, text: object) -> str:
    """The text as a label: see `orchestrator.tally.names.name`.

    Raises:
        InvalidMeasure: it is no text, or nothing but spaces; `what` says of which argument.
    """
    if not isinstance(text, str):
        message = f"{what} must be text, not {text!r:.80}"
        raise InvalidMeasure(message)
    if not text or text.isspace():
        message = f"{what} must not be empty, but {text!r:.80} is: say what was called"
        raise InvalidMeasure(message)
    return name(text)


class Labels:
    """The names that one process has recorded. Not thread-safe."""

    def __init__(self) -> None:
        self.overflowed = 0
        self._operations: dict[str, set[str]] = {}
        self._error_types: dict[str, set[str]] = {}
        self._events: dict[str, set[str]] = {}
        self._pairs = 0

    def pair(self, component: str, operation: str) -> tuple[str, str]:
        """The names that a call is recorded under: its own, or `other` where there are too many."""
        if component not in self._operations and len(self._operations) >= MOST_COMPONENTS:
            component = self._other()
        known = self._operations.setdefault(component, set())
        if operation in known or operation == OTHER:
            return component, operation
        if len(known) >= MOST_OPERATIONS or self._pairs >= MOST_PAIRS:
            return component, self._other()
        known.add(operation)
        self._pairs += 1
        return component, operation

    def error_type(self, component: str, kind: str) -> str:
        """The name that a component's error is recorded under."""
        return self._kept(self._error_types, component, kind, MOST_ERROR_TYPES)

    def event(self, kind: str, about: str) -> str:
        """The name that an event is recorded under: a component's, or a topic's."""
        return self._kept(self._events, kind, about, MOST_COMPONENTS)

    def _kept(self, names: dict[str, set[str]], of: str, one: str, most: int) -> str:
        known = names.setdefault(of, set())
        if one in known:
            return one
        if len(known) >= most:
            return self._other()
        known.add(one)
        return one

    def _other(self) -> str:
        self.overflowed += 1
        return OTHER
