"""What is done in PostgreSQL keeps to the deadline of the task that does it."""

import re
from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from psycopg import Connection, OperationalError
from psycopg.pq import TransactionStatus

from orchestrator import postgres
from orchestrator.errors import DeadlineExceeded, TimeoutExceeded
from orchestrator.settings import Settings
from orchestrator.timeouts import TimeoutConfig, TimeoutManager, deadline_left
from tests.servers import clean_redis, environment_of
from tests.within_task import within_task

if TYPE_CHECKING:
    from orchestrator.dev.stack import Addresses

# By a thread: SIGALRM, which it would take otherwise, is ours here.
pytestmark = pytest.mark.timeout(60, method="thread")


@pytest.fixture(scope="module")
def environment(stack: "Addresses", module_database: str) -> Iterator[Settings]:
    with clean_redis(stack.redis_url) as redis, environment_of(stack, redis, module_database) as settings:
        yield settings


def test_a_statement_is_stopped_at_the_deadline_and_the_error_says_so(environment: Settings) -> None:
    with (
        within_task(0.3),
        pytest.raises(DeadlineExceeded, match="struck in PostgreSQL: canceling statement"),
        postgres.transaction() as connection,
    ):
        connection.execute("SELECT pg_sleep(20)")

    with postgres.transaction() as connection:
        assert _limit(connection) == "0"


def test_the_limit_is_no_part_of_the_transaction(environment: Settings) -> None:
    with within_task(3600), postgres.transaction() as connection:
        assert connection.info.transaction_status == TransactionStatus.IDLE
        first = _limit(connection)
        connection.rollback()
        assert _limit(connection) == first != "0"


def test_a_limit_of_the_servers_that_is_shorter_stays(
    environment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=5s")
    with within_task(3600), postgres.session() as connection:
        assert _limit(connection) == "5s"
    with within_task(2), postgres.session() as connection:
        assert _limit(connection) != "5s"


def test_a_session_is_held_to_it_too(environment: Settings) -> None:
    with (
        within_task(0.3),
        pytest.raises(DeadlineExceeded, match="struck in PostgreSQL"),
        postgres.session() as connection,
    ):
        connection.execute("SELECT pg_sleep(20)")


def test_after_the_deadline_nothing_is_begun_but_what_must_be_written(environment: Settings) -> None:
    with within_task(-1):
        assert deadline_left() == 0
        with pytest.raises(DeadlineExceeded, match="PostgreSQL was not asked"), postgres.transaction():
            pytest.fail("it was begun")

        with postgres.transaction(in_time=False) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_without_a_deadline_nothing_is_asked_of_the_server(environment: Settings) -> None:
    with postgres.transaction() as connection:
        assert _limit(connection) == "0"


def test_a_task_with_as_much_time_as_the_one_before_it_sets_no_limit_anew(environment: Settings) -> None:
    with within_task(3600), postgres.transaction() as connection:
        connection.execute("SELECT set_config('statement_timeout', '3600777', false)")

    with within_task(3600), postgres.transaction() as connection:
        assert _limit(connection) == "3600777ms"


def test_a_timeout_context_bounds_statements_as_well(environment: Settings) -> None:
    manager = TimeoutManager(TimeoutConfig(global_timeout=7200, enable_progressive_timeout=False))
    with manager.timeout_context("read", 3600.999), postgres.transaction() as connection:
        assert re.fullmatch(r"360[01](\d{3}m)?s|1h", _limit(connection))


def test_a_statement_may_take_the_grace_period_too(environment: Settings) -> None:
    manager = TimeoutManager(TimeoutConfig(global_timeout=7200, grace_period=600))
    with manager.timeout_context("read", 1200), postgres.transaction() as connection:
        assert 1199 < (deadline_left() or 0) <= 1200
        assert re.fullmatch(r"18\d\d(\d{3}m)?s|30min", _limit(connection))


@pytest.mark.parametrize("is_nested", [False, True])
def test_an_interrupted_statement_is_cancelled_without_a_word(
    environment: Settings, caplog: pytest.LogCaptureFixture, *, is_nested: bool
) -> None:
    manager = TimeoutManager(TimeoutConfig(enable_progressive_timeout=False))
    with postgres.transaction() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS interrupted (number int)")
        process = connection.info.backend_pid

    with (
        pytest.raises(TimeoutExceeded, match=r"query took longer than 0\.2 s"),
        manager.timeout_context("query", 0.2),
        # As by psycopg alone: the server does not stop it by itself.
        postgres.transaction(in_time=False) as connection,
        postgres.nested(connection) if is_nested else nullcontext(),
    ):
        connection.execute("INSERT INTO interrupted SELECT 1 FROM pg_sleep(20)")

    with postgres.transaction() as connection:
        assert connection.info.backend_pid == process
        assert connection.execute("SELECT count(*) FROM interrupted").fetchone() == (0,)
    assert [each.getMessage() for each in caplog.records if each.name.startswith("psycopg")] == []


def test_an_interrupted_statement_whose_server_does_not_answer_costs_its_connection(
    environment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = TimeoutManager(TimeoutConfig(enable_progressive_timeout=False))

    def fail(*_: object, **__: object) -> None:
        raise OperationalError("no route to the server")

    monkeypatch.setattr(Connection, "cancel_safe", fail)
    with (
        pytest.raises(TimeoutExceeded),
        manager.timeout_context("query", 0.2),
        postgres.transaction(in_time=False) as connection,
    ):
        connection.execute("SELECT pg_sleep(0.7)")

    assert connection.closed
    with postgres.transaction() as another:
        assert another.execute("SELECT 1").fetchone() == (1,)


def _limit(connection: Any) -> str:
    return str(connection.execute("SHOW statement_timeout").fetchone()[0])
