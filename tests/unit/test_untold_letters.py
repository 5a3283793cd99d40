"""What nobody can be told of is a dead letter all the same: its message stays with no worker for ever."""

from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.errors import TooManyDeliveries
from orchestrator.worker import reporter
from orchestrator.worker.request import Request
from tests.processes import wait_until


class _Untellable(Request):
    """Its backend is there, and takes no failure: as where an errback of the task's raises."""

    def __init__(self) -> None:
        self.buried: list[str] = []
        self.id = "its id"
        self._context = SimpleNamespace(chord=None)
        self._task = SimpleNamespace(backend=self, store_errors_even_if_ignored=False)
        self._ignore_result = True

    def mark_as_failure(self, *_: Any, **__: Any) -> None:
        raise ValueError("on purpose")

    def _bury(self, error: BaseException, traceback: str) -> None:
        self.buried.append(str(error))


def test_what_cannot_be_told_is_buried_after_a_few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "_FIRST_PAUSE_SECONDS", 0.001)
    request = _Untellable()

    request.fail_unrun(lambda: TooManyDeliveries("it kills each worker"))

    wait_until(lambda: request.buried, 5, "its letter")
    reporter.close()
    assert request.buried == ["it kills each worker"]
