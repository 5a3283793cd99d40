"""Runs the measurements in turn, round after round, and remembers what each told or how it failed."""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.util import find_spec

from bench.load.bed import Spoilt
from bench.load.celery_worker import Contender
from bench.load.figures import Reading
from bench.load.measurements import MEASUREMENTS
from bench.load.sizes import Sizes, Values
from orchestrator.errors import OmniNodeError

Key = tuple[str, Contender]
INSTALL = "pip install -e '.[bench,embedded,dev]'"


@dataclass
class Results:
    """The values of every round by measurement and contender; why there are none of some."""

    values: dict[Key, list[Values]] = field(default_factory=dict)
    failed: dict[Key, str] = field(default_factory=dict)
    skipped: dict[Key, str] = field(default_factory=dict)

    def of(self, reading: Reading) -> list[float]:
        """The values of a reading, one a round."""
        return [values[reading.value] for values in self.values[reading.measurement, reading.contender]]

    def median(self, reading: Reading) -> float:
        """The median of a reading's rounds."""
        return statistics.median(self.of(reading))


def run(readings: Iterable[Reading], sizes: Sizes, rounds: int, tell: Callable[[str], None]) -> Results:
    """Measure all that the readings need; contenders alternate, and so does who is first."""
    keys = list(dict.fromkeys((reading.measurement, reading.contender) for reading in readings))
    results = Results()
    results.skipped = {
        key: f"{key[1].name} is not installed: {INSTALL}" for key in keys if find_spec(key[1].needs) is None
    }
    for number in range(rounds):
        for key in keys if number % 2 == 0 else reversed(keys):
            if key not in results.failed and key not in results.skipped:
                tell(f"round {number + 1}/{rounds}: {key[0]}, {key[1].name}: {_measure(key, sizes, results)}")
    return results


def _measure(key: Key, sizes: Sizes, results: Results) -> str:
    name, who = key
    try:
        values = MEASUREMENTS[name](who, sizes)
    except Exception as error:
        known = isinstance(error, Spoilt | OmniNodeError)
        reason = results.failed[key] = str(error) if known else f"{type(error).__name__}: {error}"
        return f"failed: {reason}"
    results.values.setdefault(key, []).append(values)
    return ", ".join(f"{value} {figure:.4g}" for value, figure in values.items())
