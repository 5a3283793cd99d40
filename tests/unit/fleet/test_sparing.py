"""What takes long to count is counted rarely, and what is quick often."""

from itertools import count

from monitoring.fleet.sparing import Sparing


def test_a_count_is_used_for_fifty_times_as_long_as_it_took() -> None:
    now = 0.0
    sparing = Sparing(lambda: now)
    numbers = count(1)

    def counts() -> int:
        nonlocal now
        now += 2.0
        return next(numbers)

    assert sparing.count("a", counts) == 1
    now = 101.9
    assert (sparing.count("a", counts), sparing.count("b", counts)) == (1, 2)
    now = 104.0
    assert sparing.count("a", counts) == 3
