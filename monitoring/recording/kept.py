"""The minutes that are kept: each for as long as the retention says, older ones in quarters of an hour."""

from __future__ import annotations

from monitoring.recording.sums import Sums, together

# What is older is only ever looked at as a whole, and takes less room together.
_SINGLE_MINUTES = 15
_QUARTER = 15


class Kept:
    """Closed minutes, and the total of all that ever were. Not thread-safe."""

    def __init__(self) -> None:
        self.total = Sums()
        self.minutes: dict[int, Sums] = {}

    def close(self, minute: int, sums: Sums, *, keep: bool = True) -> None:
        """A minute is over; unless it is kept, only its part in the total is."""
        self.total += sums
        if not keep:
            self.minutes.pop(minute, None)
            return
        self.minutes[minute] = self.minutes[minute] + sums if minute in self.minutes else sums

    def settle(self, now: float, retention: float) -> None:
        """Put old minutes together, drop what has ended longer ago than the retention; both in minutes."""
        quarters: dict[int, list[int]] = {}
        for each in sorted(self.minutes):
            last = _last_of_quarter(each)
            if now - (each + 1) > retention:
                del self.minutes[each]
            elif each != last and last < now - _SINGLE_MINUTES:
                quarters.setdefault(last, []).append(each)
        for last, singles in quarters.items():
            whole = [self.minutes.pop(each) for each in [*singles, last] if each in self.minutes]
            self.minutes[last] = together(whole)


def _last_of_quarter(minute: int) -> int:
    return minute - minute % _QUARTER + _QUARTER - 1
