"""What the document says of circuit breakers: the decorator's arguments, and where they are applied."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from orchestrator.breaker import circuit
from orchestrator.breaker.configured import configured
from orchestrator.errors import BreakerOpen
from orchestrator.settings import Settings
from tests.patterns.proofs import proved_elsewhere, proves
from tests.processes import wait_until

_APPLIED = "tests/integration/breaker_applied"

proved_elsewhere(
    "claim: 1 Applied to: PostgreSQL connection operations",
    f"{_APPLIED}/test_postgresql.py::test_three_waits_in_vain_open_it_and_the_next_does_not_wait",
)
proved_elsewhere(
    "claim: 1 Applied to: AI model task execution",
    f"{_APPLIED}/test_models.py::test_a_server_that_is_away_is_left_alone_and_others_are_called",
)
proved_elsewhere(
    "claim: 1 Applied to: External service health checks",
    f"{_APPLIED}/test_health.py::test_after_three_failures_it_is_not_asked_and_says_what_it_said_last",
)
proved_elsewhere(
    "claim: 1 Applied to: Hook event processing",
    f"{_APPLIED}/test_hooks.py::test_a_source_whose_handlers_fail_is_held_back_and_others_go_on",
)


@pytest.fixture(autouse=True)
def _servers(environment: Settings) -> None:
    """A circuit that opens is shared in Redis."""


_DOWN = ConnectionError()


def _failures_until_open(error: Exception = _DOWN, /, **arguments: Any) -> int | None:
    """How many failures of this kind open a circuit; None where ten do not."""
    fail = _failing(error, **arguments)
    for failures in range(11):
        try:
            fail()
        except BreakerOpen:
            return failures
        except type(error):
            continue
    return None


def _failing(error: Exception, **arguments: Any) -> Callable[[], None]:
    @circuit(name=uuid4().hex, **arguments)
    def fail() -> None:
        raise error

    return fail


@proves("call: circuit")
def test_without_arguments_five_failures_open_it(item: str) -> None:
    assert _failures_until_open() == 5


@proves("argument: circuit(failure_threshold)")
def test_failure_threshold_is_how_many_failures_open_it(item: str) -> None:
    assert [_failures_until_open(failure_threshold=number) for number in (1, 3)] == [1, 3]


@proves("argument: circuit(recovery_timeout)")
def test_recovery_timeout_is_after_how_many_seconds_it_is_tried_again(item: str) -> None:
    def is_called_again(fail: Callable[[], None]) -> bool:
        try:
            fail()
        except BreakerOpen:
            return False
        except ConnectionError:
            return True
        return True

    soon = _failing(ConnectionError(), failure_threshold=1, recovery_timeout=0.1)
    late = _failing(ConnectionError(), failure_threshold=1, recovery_timeout=30)
    for fail in (soon, late):
        with pytest.raises(ConnectionError):
            fail()
        assert not is_called_again(fail)

    wait_until(lambda: is_called_again(soon))
    assert not is_called_again(late)


@proves("argument: circuit(expected_exception)")
def test_expected_exception_is_what_counts(item: str) -> None:
    assert _failures_until_open(ConnectionError(), failure_threshold=1, expected_exception=OSError) == 1
    assert _failures_until_open(KeyError(), failure_threshold=1, expected_exception=OSError) is None


_OURS = ("postgresql", "kafka", "model:gpt", "health:redis", "hooks:github")


@proves("claim: 1 Configuration: Failure threshold: 3-5 failures")
def test_all_of_ours_open_after_three_to_five_failures(item: str) -> None:
    assert {configured(name).failure_threshold for name in _OURS} <= {3, 4, 5}


@proves("claim: 1 Configuration: Recovery timeout: 15-30 seconds")
def test_all_of_ours_are_tried_again_after_fifteen_to_thirty_seconds(item: str) -> None:
    assert all(15 <= configured(name).open_seconds <= 30 for name in _OURS)


@proves("claim: 1 Configuration: Expected exceptions: All exceptions")
def test_any_exception_counts_unless_it_is_said_which_do(item: str) -> None:
    errors = (ConnectionError(), KeyError(), ZeroDivisionError(), RuntimeError())

    assert [_failures_until_open(error, failure_threshold=2) for error in errors] == [2, 2, 2, 2]
