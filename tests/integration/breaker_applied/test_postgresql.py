"""PostgreSQL's own breaker: what trips it, what does not, and what happens while it is open."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from orchestrator import postgres, settings
from orchestrator.breaker import breaker, permit
from orchestrator.breaker.store import Store
from orchestrator.errors import BreakerOpen
from orchestrator.settings import Settings
from tasks.hooks import staging
from tasks.models import ask
from tests.integration.breaker_applied import policies
from tests.processes import wait_until
from tests.unit.models.model_server import ModelServer, answer, completion, serve

_NOBODY = "postgresql://postgres@127.0.0.1:1/postgres"


@pytest.fixture(autouse=True)
def _impatient(environment: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pools of the test's own that wait a moment for a server that is away, instead of half a minute."""
    monkeypatch.setattr(postgres, "_WAIT_SECONDS", 0.1)
    with ExitStack() as pools:

        @cache
        def pool(pid: int, url: str) -> Any:
            return pools.enter_context(_pool_of(pid, url))

        _pool_of = postgres._pool.__wrapped__  # noqa: SLF001
        monkeypatch.setattr(postgres, "_pool", pool)
        yield


def _away(environment: Settings) -> None:
    settings.use(environment.model_copy(update={"database_url": _NOBODY}))


def _ask() -> object:
    with postgres.transaction() as connection:
        return connection.execute("SELECT 1").fetchone()


def _wait_in_vain(times: int) -> None:
    for _ in range(times):
        with pytest.raises(PoolTimeout):
            _ask()


def test_three_waits_in_vain_open_it_and_the_next_does_not_wait(environment: Settings, store: Store) -> None:
    _away(environment)
    _wait_in_vain(3)

    with pytest.raises(BreakerOpen, match="postgresql"):
        _ask()

    details = store.details("postgresql")
    assert details
    assert (details.state.circuit, details.why) == ("open", "3 failures in a row")
    assert details.error.startswith("PostgresUnavailable: ")
    assert "refused" in details.error


def test_it_closes_when_the_server_is_back(environment: Settings, store: Store) -> None:
    quick = {"postgresql": {"failure_threshold": 1, "open_seconds": 0.05, "ramp_seconds": 0}}
    policies.use(environment, quick, database_url=_NOBODY)
    _wait_in_vain(1)
    policies.use(environment, quick)

    def is_back() -> bool:
        try:
            return _ask() == (1,)
        except BreakerOpen:
            return False

    wait_until(is_back, what="the server's return")
    wait_until(lambda: store.read(["postgresql"])[0].circuit == "closed", what="the closed circuit")


def test_errors_of_sql_are_no_failures(environment: Settings, store: Store) -> None:
    for statement in ("SELECT nothing", "SELECT 1/0", "INSERT INTO hook_events DEFAULT VALUES") * 2:
        with pytest.raises(psycopg.Error), postgres.transaction() as connection:
            connection.execute(statement)

    assert _ask() == (1,)
    assert _failures(store) == 0


def test_connections_that_a_restart_breaks_are_no_failures(environment: Settings, store: Store) -> None:
    for _ in range(4):
        with pytest.raises(psycopg.OperationalError), postgres.transaction() as connection:
            connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    assert _ask() == (1,)
    assert _failures(store) == 0


def test_a_pool_whose_connections_are_all_in_use_says_nothing_of_the_server(
    environment: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_MAX_CONNECTIONS", 1)
    held, release = Event(), Event()

    def hold() -> None:
        with postgres.transaction():
            held.set()
            release.wait(20)

    holder = Thread(target=hold)
    holder.start()
    assert held.wait(20)
    _wait_in_vain(4)
    release.set()
    holder.join(20)

    assert _failures(store) == 0
    assert _ask() == (1,)


def test_a_session_that_cannot_be_had_does_not_count_but_is_not_tried_while_it_is_open(
    environment: Settings, store: Store
) -> None:
    _away(environment)
    for _ in range(4):
        with pytest.raises(psycopg.OperationalError), postgres.session():
            pass
    assert _failures(store) == 0

    store.control("postgresql", "open", who="a test", why="it is away")
    wait_until(_is_open_here, what="the word of the open circuit")
    with pytest.raises(BreakerOpen), postgres.session():
        pass


@pytest.fixture
def model(environment: Settings) -> Iterator[ModelServer]:
    """The server of the model `gpt`."""
    with serve() as running:
        running.behaviour = answer(completion("Hello!"))
        policies.use(environment, {}, models={"gpt": running.endpoint()})
        yield running


def test_while_it_is_open_no_model_is_called_whose_answer_could_not_be_recorded(
    store: Store, model: ModelServer, database: psycopg.Connection[tuple[int]]
) -> None:
    # This process has not asked PostgreSQL for anything yet.
    store.control("postgresql", "isolate", who="a test", why="it is away")

    with pytest.raises(BreakerOpen, match="postgresql"):
        ask("gpt", "chat", "Hi")
    staging.send_of_delivery("d-1")

    assert model.requests == []
    assert database.execute("SELECT count(*) FROM model_calls").fetchone() == (0,)


def test_while_somebody_finds_out_if_it_is_back_no_model_is_called_but_by_that_one(
    store: Store, model: ModelServer
) -> None:
    store.control("postgresql", "open", who="a test", why="it is away", seconds=0.001)
    probe = breaker("postgresql").permit()
    assert probe.is_probe

    with pytest.raises(BreakerOpen, match="postgresql"):
        ask("gpt", "chat", "Hi")
    assert model.requests == []

    permit.enter(probe)
    ask("gpt", "chat", "Hi")
    permit.drop(probe)
    assert len(model.requests) == 1


def _is_open_here() -> bool:
    try:
        postgres.refuse_while_open()
    except BreakerOpen:
        return True
    return False


def _failures(store: Store) -> int:
    details = store.details("postgresql")
    return details.failures if details else 0
