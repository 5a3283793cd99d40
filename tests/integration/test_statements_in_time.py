"""What is done in PostgreSQL keeps to the deadline of the task that does it."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.pq import TransactionStatus

from orchestrator import postgres
from orchestrator.errors import DeadlineExceeded
from orchestrator.settings import Settings
from orchestrator.timeouts import TimeoutConfig, TimeoutManager, deadline_left
from tests.servers import clean_redis, environment_of
from tests.within_task import within_task

if TYPE_CHECKING:
    from orchestrator.dev.stack import Addresses


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


def _limit(connection: Any) -> str:
    return str(connection.execute("SHOW statement_timeout").fetchone()[0])
