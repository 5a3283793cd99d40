"""Which tests prove an alert's rule: each raises it in a real run, and clears it."""

from collections.abc import Callable
from typing import TypeVar

Test = TypeVar("Test", bound=Callable[..., None])


def raises_and_clears(*_alerts: str) -> Callable[[Test], Test]:
    """The test proves these alerts; `tests/unit/alerts/test_accounting.py` misses those that none proves."""
    return lambda test: test
