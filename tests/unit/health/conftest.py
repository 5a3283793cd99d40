"""A registry of the test's own."""

import pytest

from monitoring.health import registry


@pytest.fixture
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_checks", {})
    monkeypatch.setattr(registry, "_sources", {})
