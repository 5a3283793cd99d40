"""One row a task, in memory that all processes share: when it was sent, begun and ended, and its runs.

Tasks write their rows without asking anybody, so that noting costs less than a microsecond and no round trip.
Times are of the system's monotonic clock, which all processes of a machine read alike.
"""

import mmap
import os
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

PATH, SIZE = "BENCH_BOARD", "BENCH_SIZE"
_COLUMNS = 4
_DOUBLE_BYTES = 8


class Board:
    """The rows of `size` tasks, in a file that is made when it is not there."""

    def __init__(self, path: Path, size: int) -> None:
        with path.open("a+b") as file:
            file.truncate(size * _COLUMNS * _DOUBLE_BYTES)
            self._memory = mmap.mmap(file.fileno(), 0)
        self.size = size
        columns = memoryview(self._memory).cast("d")
        self._sent, self._begun, self._ended, self._runs = (
            columns[number * size : (number + 1) * size] for number in range(_COLUMNS)
        )

    def send(self, row: int) -> None:
        """Note that this task is about to be sent."""
        self._sent[row] = monotonic()

    def run(self, row: int) -> None:
        """Note that this task runs; called once in each run."""
        now = monotonic()
        if not self._begun[row]:
            self._begun[row] = now
        self._ended[row] = now
        self._runs[row] += 1

    def done(self, runs: int = 1) -> int:
        """How many tasks have run this often."""
        return int(np.count_nonzero(_array(self._runs) >= runs))

    def excess(self, runs: int = 1) -> int:
        """How many runs there were too many."""
        return int(np.maximum(_array(self._runs) - runs, 0).sum())

    def span_seconds(self) -> float:
        """From the first task's first run to the last task's last run."""
        return float(_array(self._ended).max() - _array(self._begun).min())

    def latencies_seconds(self, warm_up: int) -> NDArray[np.float64]:
        """From enqueue to start, without the first rows."""
        return (_array(self._begun) - _array(self._sent))[warm_up:]


def _array(column: Any) -> NDArray[np.float64]:
    return np.frombuffer(column, dtype=np.float64)


def shared() -> Board:
    """The board that this process's environment names."""
    return Board(Path(os.environ[PATH]), int(os.environ[SIZE]))
