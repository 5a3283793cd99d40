"""What the handlers of one source call is guarded by a breaker of that source."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from celery import Celery

from orchestrator.breaker.store import Store
from orchestrator.errors import BreakerOpen, PermanentError, TransientError
from orchestrator.install import install
from orchestrator.settings import Settings
from tasks.hooks import Hook, HookEvent, on, process_hook
from tasks.hooks.process import dependency
from tests.integration.breaker_applied import policies

Database = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def _shop(environment: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Handlers of this test's own, and a breaker that trips soon."""
    from tasks.hooks import registry  # noqa: PLC0415

    monkeypatch.setattr(registry, "_registrations", {})
    app = install(Celery("tests", set_as_current=False), environment)
    policies.use(environment, {"hooks:*": {"failure_threshold": 3}})
    yield
    app.close()


def _process(number: int, source: str = "shop") -> None:
    process_hook({"event": "order", "payload": {}, "source": source, "delivery_id": f"{source}-{number}"})


def _failing_with(error: Exception) -> None:
    @on("shop.*")
    def handler(event: HookEvent, hook: Hook) -> None:
        raise error


def test_a_source_whose_handlers_fail_is_held_back_and_others_go_on(database: Database) -> None:
    _failing_with(TransientError("the warehouse is away"))
    on("bank.*")(lambda event, hook: None)
    for number in range(3):
        with pytest.raises(TransientError, match="warehouse"):
            _process(number)

    with pytest.raises(BreakerOpen, match="hooks:shop"):
        _process(4)
    _process(1, "bank")

    assert database.execute("SELECT delivery_id, status FROM hook_events").fetchall() == [
        ("bank-1", "processed")
    ]


@pytest.mark.parametrize("error", [PermanentError("no such article"), psycopg.OperationalError("gone")])
def test_what_is_permanent_or_the_database_s_does_not_count(error: Exception, store: Store) -> None:
    _failing_with(error)
    for number in range(4):
        with pytest.raises(type(error)):
            _process(number)

    details = store.details("hooks:shop")
    assert not details or details.failures == 0


def test_the_task_names_the_source_of_a_hook_that_somebody_wants() -> None:
    on("shop.order")(lambda event, hook: None)
    on("ban*", " *")(lambda event, hook: None)

    assert dependency({"event": "order", "payload": {}, "source": "shop"}) == "hooks:shop"
    assert dependency(event={"event": "order", "payload": {}, "source": "bank"}) == "hooks:bank"
    # Nobody wants these; a source that nobody knows makes no breaker.
    assert dependency({"event": "order", "payload": {}}) == ""
    assert dependency({"event": "order", "payload": {}, "source": "x" * 201}) == ""
    assert dependency({"event": "order", "payload": {}, "source": " "}) == ""
    assert dependency(["no hook"]) == ""
