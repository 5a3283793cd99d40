"""How much each measurement does, and what it returns."""

from dataclasses import dataclass

# The values of one measurement, by name.
Values = dict[str, float]


@dataclass(frozen=True)
class Sizes:
    """How many tasks a drain has; the other measurements have a part of them."""

    tasks: int

    def part(self, divisor: int) -> int:
        """A part of the tasks, but some."""
        return max(self.tasks // divisor, 20)

    @property
    def idle_seconds(self) -> float:
        """How long an idle worker is watched."""
        return min(15.0, max(3.0, self.tasks / 1000))
