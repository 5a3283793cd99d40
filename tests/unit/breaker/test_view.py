"""What was read of a breaker runs on from its reading, and Redis is not believed where it has lost it."""

from __future__ import annotations

import pytest

from orchestrator.breaker.state import State
from orchestrator.breaker.view import View

_OPEN = State("api", "open", born=5, version=9, epoch=3, left_seconds=10)


def test_lengths_of_time_run_from_the_reading_on() -> None:
    view = View(_OPEN, 100.0)

    assert [view.left(100.0), view.left(104.0), view.left(111.0)] == [10.0, 6.0, 0.0]
    assert view.state_at(104.0).left_seconds == 6.0


def test_a_mode_ends_when_its_time_is_over() -> None:
    view = View(State("api", mode="isolated", mode_left_seconds=2.0), 100.0)

    assert [view.mode(101.9), view.mode(102.0)] == ["isolated", "auto"]
    assert view.state_at(102.0) == State("api")
    assert view.is_clean(102.0)


def test_a_mode_without_a_limit_does_not_end() -> None:
    assert View(State("api", mode="disabled"), 100.0).mode(10_000.0) == "disabled"


def test_it_is_clean_once_its_ramp_is_over() -> None:
    view = View(State("api", ramp_left_seconds=5.0), 100.0)

    assert [view.is_clean(104.0), view.is_clean(105.0)] == [False, True]


@pytest.mark.parametrize(
    ("fresh", "is_lost"),
    [
        pytest.param(State("api"), True, id="it was flushed"),
        pytest.param(State("api", born=8, version=1), True, id="it was flushed and made anew"),
        pytest.param(State("api", born=5, version=8, epoch=2), True, id="a replica was behind"),
        pytest.param(State("api", born=5, version=10, epoch=4), False, id="it was closed"),
        pytest.param(State("api", "open", born=8, version=1, epoch=1), False, id="it is open there too"),
        pytest.param(State("api", born=8, version=5, epoch=4), False, id="others have moved on"),
    ],
)
def test_an_open_circuit_is_lost_where_what_is_there_is_from_before(fresh: State, is_lost: bool) -> None:  # noqa: FBT001
    assert View(_OPEN, 100.0).is_lost_in(fresh, 101.0) is is_lost


def test_a_circuit_whose_time_is_over_is_not_given_back() -> None:
    assert not View(_OPEN, 100.0).is_lost_in(State("api"), 110.0)


def test_what_was_set_by_hand_is_lost_with_a_flush_and_not_when_it_was_ended() -> None:
    view = View(State("api", born=5, version=3, mode="isolated"), 100.0)

    assert view.is_lost_in(State("api"), 101.0)
    assert not view.is_lost_in(State("api", born=5, version=4), 101.0)
