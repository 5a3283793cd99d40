"""What is recorded can be taken, once, and whoever takes it is woken once in between."""

import pytest

from monitoring.recording.labels import MOST_COMPONENTS
from monitoring.recording.recorder import Recorder
from monitoring.recording.sums import Key, Sums, together
from orchestrator.errors import InvalidMeasure


class Taken:
    """A recorder on a clock that is moved by hand, and how often it has woken somebody."""

    def __init__(self) -> None:
        self.now = 0.0
        self.woken = 0
        self.recorder = Recorder(lambda: 24, lambda: self.now, lambda: 1_800_000_000.0, self._wake)

    def _wake(self) -> None:
        self.woken += 1


def test_what_is_taken_is_all_that_was_recorded_and_stays_in_the_figures() -> None:
    each = Taken()
    taken = []
    for minute in range(3):
        each.now = minute * 60.0
        each.recorder.record("shop", "order", 5.0, True)
        each.recorder.record_event("retry", "shop")
        each.recorder.record_wait("orders", "shop", 7.0)
        if minute != 1:
            taken.append(each.recorder.take())

    assert each.recorder.take() == Sums()
    assert [sums.of("shop").count for sums in taken] == [1, 2]
    assert together(taken) == each.recorder.snapshot().total
    assert {minute % 60 for minute in each.recorder.snapshot().minutes} == {0, 1, 2}


def test_untaken_says_what_would_be_taken() -> None:
    each = Taken()
    each.recorder.record("shop", "order", 5.0, True)

    assert each.recorder.untaken() == each.recorder.take()
    assert each.recorder.untaken() == Sums()


@pytest.mark.parametrize("what", ["call", "event", "told", "wait", "refused"])
def test_the_first_record_after_a_take_wakes_and_no_other(what: str) -> None:
    each = Taken()

    def record() -> None:
        match what:
            case "call":
                each.recorder.record("shop", "order", 5.0, True)
            case "event":
                each.recorder.record_event("retry", "shop")
            case "told":
                each.recorder.record_told("replay", "shop")
            case "wait":
                each.recorder.record_wait("orders", "shop", 7.0)
            case "refused":
                with pytest.raises(InvalidMeasure):
                    each.recorder.record("shop", "order", -1.0, True)

    found = []
    for _ in range(2):
        record()
        record()
        found.append(each.woken)
        each.recorder.take()

    assert found == [1, 2]


def test_where_nobody_takes_nothing_is_kept_for_it() -> None:
    recorder = Recorder(lambda: 24)
    recorder.record("shop", "order", 5.0, True)
    recorder.snapshot()

    assert recorder.take() == Sums()


def test_a_wait_below_zero_is_none_one_that_is_no_number_is_refused_and_names_are_bounded() -> None:
    recorder = Taken().recorder
    recorder.record_wait("orders", "shop", -5.0)
    recorder.record_wait("orders", "shop", float("inf"))
    with pytest.raises(InvalidMeasure, match="waited_ms"):
        recorder.record_wait("orders", "shop", float("nan"))
    for number in range(MOST_COMPONENTS + 1):
        recorder.record_wait(f"queue {number}", "shop", 1.0)

    waits = recorder.take().waits
    assert (waits["orders", "shop"].least_micros, waits["orders", "shop"].most_micros) == (0, 2**20 * 10**6)
    assert waits["other", "shop"].count == 2
    assert (recorder.refused, recorder.overflowed) == (1, 2)


def test_a_child_takes_nothing_of_its_parents() -> None:
    each = Taken()
    each.recorder.record("shop", "order", 5.0, True)
    each.recorder.forget()
    each.recorder.record("child", "order", 5.0, True)

    assert list(each.recorder.take().calls) == [Key("child", "order", "success")]
    assert each.woken == 2
