from collections.abc import Iterator
from itertools import count

import pytest

from orchestrator.dev.processes.steps import Steps, together, until
from orchestrator.errors import StackError


def _after(turns: int, result: str) -> Steps[str]:
    for _ in range(turns):
        yield
    return result


def test_works_are_done_at_the_same_time_and_told_of_as_they_end() -> None:
    told: list[str] = []
    results = together({"slow": _after(3, "a"), "quick": _after(1, "b")}, lambda name, _: told.append(name))
    assert results == {"slow": "a", "quick": "b"}
    assert told == ["quick", "slow"]


def test_the_first_error_ends_the_other_works() -> None:
    closed = []

    def endless() -> Steps[str]:
        try:
            while True:
                yield
        finally:
            closed.append(True)

    def failing() -> Steps[str]:
        yield
        raise StackError("no")

    with pytest.raises(StackError, match="no"):
        together({"endless": endless(), "failing": failing()}, lambda *_: None)
    assert closed == [True]


def test_a_condition_that_never_holds_is_given_up_with_the_complaint() -> None:
    def forever() -> Iterator[None]:
        yield from until(lambda: False, 0.01, "redis did not answer")

    with pytest.raises(StackError, match=r"redis did not answer within 0\.01 seconds"):
        list(forever())


def test_a_condition_is_asked_until_it_holds() -> None:
    asked = count()
    assert len(list(until(lambda: next(asked) == 3, 5.0, "never"))) == 3
