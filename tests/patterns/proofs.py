"""Which test proves which item of the document: a test says it of itself, with `@proves`."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.pages import ROOT

Test = TypeVar("Test", bound=Callable[..., Any])

# Items with the tests that prove them, as "file::test".
PROOFS: dict[str, set[str]] = {}


def proves(*items: str) -> Callable[[Test], Test]:
    """Mark a test: it is run once for each item, has its `item` as an argument and in its id."""

    def decorate(test: Test) -> Test:
        for item in items:
            _note(item, f"{test.__module__.replace('.', '/')}.py::{test.__name__}")
        marked: Test = pytest.mark.parametrize("item", items)(test)
        return marked

    return decorate


def proved_elsewhere(item: str, place: str) -> None:
    """An item has its proof in another room: `place` is a "file::test", or a benchmark's file."""
    _note(item, place)


def collected() -> dict[str, set[str]]:
    """The proofs of all tests of this package."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        importlib.import_module(f"{__package__}.{path.stem}")
    return PROOFS


def is_there(place: str) -> bool:
    """Whether the file of a proof exists, and has the test."""
    file, _, test = place.partition("::")
    text = (ROOT / file).read_text(encoding="utf-8") if (ROOT / file).exists() else ""
    return bool(text) and (not test or f"def {test}(" in text)


def _note(item: str, place: str) -> None:
    PROOFS.setdefault(item, set()).add(place)
