import pytest

from orchestrator.breaker.machine import ramp_share
from orchestrator.policy import Policy
from tests.unit.breaker.driven import Driven, probing, tripped

POLICY = Policy(ramp_seconds=10, ramp_per_second=100)
WAITING = [f"id-{number}" for number in range(1000)]


@pytest.mark.parametrize(
    ("left", "share"), [(10, 0.1), (5, 0.55), (2.5, 0.775), (0.001, 0.99991), (0, 1.0), (-1, 1.0), (99, 0.1)]
)
def test_the_share_grows_from_a_tenth_to_all(left: float, share: float) -> None:
    assert ramp_share(POLICY, left) == pytest.approx(share, rel=1e-12)


def test_without_a_ramp_the_share_is_all() -> None:
    assert ramp_share(Policy(ramp_seconds=0), 5) == 1.0


def test_a_short_ramp_has_shares_too() -> None:
    assert ramp_share(Policy(ramp_seconds=0.5), 0.25) == pytest.approx(0.55, rel=1e-12)


def _closing() -> Driven:
    """One that has closed in the second 31."""
    driven = probing(POLICY)
    driven.call(31, ok=1, probe="a")
    return driven


def test_nothing_goes_in_the_moment_of_closing() -> None:
    assert _closing().release(31, WAITING) == []


def test_what_waited_goes_at_a_tenth_of_the_rate_as_the_ramp_begins() -> None:
    driven = _closing()
    # 100 a second, times 0.1 and a little more with each millisecond.
    assert driven.release(31.099, WAITING) == ["id-0"]
    assert driven.release(31.1, WAITING) == []
    assert driven.release(31.2, WAITING) == ["id-0"]


def test_what_waited_goes_at_the_whole_rate_after_the_ramp() -> None:
    driven = _closing()
    assert len(driven.release(41, WAITING)) == 25
    assert driven.release(41, WAITING) == []
    assert len(driven.release(41.1, WAITING)) == 10
    assert len(driven.release(41.15, WAITING)) == 5


def test_half_way_through_the_ramp_it_goes_at_about_half_the_rate() -> None:
    driven = _closing()
    # 55 a second: a burst is a quarter of it.
    assert len(driven.release(36, WAITING)) == 13
    assert driven.record.allowance == 750_000
    assert driven.record.filled_at == (driven.BEGINS + 36) * 1000


def test_never_more_than_the_rate_and_a_burst_go_within_a_second() -> None:
    driven = _closing()
    driven.release(40, WAITING)
    going = sum(len(driven.release(41 + number / 1000, WAITING)) for number in range(1001))
    assert going == 125


def test_the_first_that_wait_go_first_and_no_more_than_wait() -> None:
    driven = _closing()
    assert driven.release(50, ["x", "y"]) == ["x", "y"]
    assert driven.record.allowance == 23_000_000


def test_a_breaker_that_nobody_knows_of_lets_a_burst_go() -> None:
    assert len(Driven(POLICY).release(0, WAITING)) == 25


def test_a_slow_rate_is_not_lost_however_often_it_is_asked_for() -> None:
    driven = Driven(Policy(ramp_per_second=0.001, ramp_seconds=0))
    assert driven.release(0, ["x"]) == ["x"]
    for number in range(1, 1000):
        assert driven.release(number, ["x"]) == []
    assert driven.release(1000, ["x"]) == ["x"]


def test_a_rate_below_a_millionth_in_a_millisecond_waits_for_a_whole_one() -> None:
    driven = Driven(Policy(ramp_per_second=0.0005, ramp_seconds=0))
    driven.release(0, ["x"])
    driven.release(0.001, ["x"])
    assert (driven.record.allowance, driven.record.filled_at) == (0, driven.BEGINS * 1000)
    driven.release(0.002, ["x"])
    assert (driven.record.allowance, driven.record.filled_at) == (1, driven.BEGINS * 1000 + 2)


def test_a_clock_that_was_set_back_does_not_stop_what_waits() -> None:
    driven = Driven(POLICY)
    driven.release(3600, WAITING)
    assert driven.release(0, WAITING) == []
    assert len(driven.release(0.1, WAITING)) == 10


def test_that_an_allowance_grows_is_no_new_version() -> None:
    driven = _closing()
    version = driven.record.version
    driven.release(32, WAITING)
    driven.release(33, WAITING)
    assert driven.record.version == version


def test_nothing_goes_while_it_is_open() -> None:
    driven = tripped(POLICY)
    before = driven.record
    assert driven.release(29.999, WAITING) == []
    assert driven.record == before


def test_once_the_open_time_is_over_tasks_that_wait_go_as_probes() -> None:
    driven = tripped(Policy(probes=2))
    assert driven.release(30, ["x", "y", "z"]) == ["x", "y"]
    state = driven.state(30)
    assert (state.circuit, state.epoch, state.version, state.left_seconds) == ("half_open", 2, 2, 30.0)
    assert driven.admit(31, "x")
    assert not driven.admit(31, "z")
    assert driven.call(32, ok=1, probe="x").circuit == "half_open"
    assert driven.call(32, ok=1, probe="y").circuit == "closed"


def test_without_a_task_that_waits_it_stays_open() -> None:
    driven = tripped(POLICY)
    assert driven.release(30, []) == []
    assert driven.state(30).circuit == "open"


def test_a_task_whose_release_was_cut_short_goes_again() -> None:
    driven = tripped(POLICY)
    driven.release(30, ["x"])
    assert driven.release(40, ["w", "x"]) == ["x"]
    assert driven.state(40).left_seconds == 30.0


def test_an_isolated_breaker_lets_no_task_go() -> None:
    driven = tripped(POLICY)
    driven.control(0, "isolate")
    before = driven.record
    assert driven.release(31, WAITING) == []
    assert driven.record == before


def test_where_everything_is_let_through_what_waits_goes_at_its_rate() -> None:
    for action in ("disable", "shadow"):
        driven = tripped(POLICY)
        driven.control(0, action)
        assert len(driven.release(1, WAITING)) == 25
        assert driven.state(1).circuit == "open"


def test_a_mode_that_is_over_does_not_hold_what_waits() -> None:
    driven = Driven(POLICY)
    driven.control(0, "isolate", seconds=10)
    assert driven.release(9, ["x"]) == []
    assert driven.release(10, ["x"]) == ["x"]
    assert driven.record.version == 2
