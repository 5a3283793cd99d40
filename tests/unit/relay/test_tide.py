"""When more comes into the outbox than goes out."""

from collections.abc import Iterable

import pytest

from orchestrator.relay.outbox.tide import Tide


def _is_high_after(lengths: Iterable[int]) -> bool:
    now, found = [0.0], False
    tide = Tide(10, lambda: now[0])
    for second, length in enumerate(lengths):
        now[0] = float(second)
        found = tide.is_high(length)
    return found


@pytest.mark.parametrize("lengths", [[11] * 11, [0, 11, 500, 20, 12, *[900] * 7]])
def test_it_is_high_when_it_has_not_fallen_for_ten_seconds(lengths: list[int]) -> None:
    assert _is_high_after(lengths)


@pytest.mark.parametrize("lengths", [[11] * 10, range(100, 80, -1), [10] * 20])
def test_it_is_not_high_before_and_not_while_it_falls_however_slowly(lengths: Iterable[int]) -> None:
    assert not _is_high_after(lengths)


def test_once_high_it_is_so_until_it_is_below_its_mark() -> None:
    now = [0.0]
    tide = Tide(10, lambda: now[0])
    tide.is_high(40)
    now[0] = 10.0

    assert [tide.is_high(length) for length in (40, 30, 11, 10, 11)] == [True, True, True, False, False]
