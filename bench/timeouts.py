"""What a timeout context costs, beside `asyncio.timeout` in the same run, and how late its limits strike.

In one process, in turns: microseconds to enter and leave a context, alone, nested and a thousand at once;
ours warns, has a grace period, bounds what is nested and shows what runs meanwhile. Then limits strike while
nothing else runs, while a thousand others do, in the main thread, and in another one: how many milliseconds
after the limit the exception was there. A run takes about half a minute.
"""

from __future__ import annotations

import asyncio
import logging
import statistics
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import click

sys.path.insert(0, str(Path(__file__).parents[1]))  # a script sees only its own folder

from bench.load.bars import Figure, all_met, show
from orchestrator.timeouts import TimeoutConfig, TimeoutManager

_BATCH_SECONDS = 0.02
_AT_ONCE = 1000
_STRIKES = 100
_LIMIT_SECONDS = 0.02
# Only a limit that nobody waits for after it can be late.
_CONFIG = TimeoutConfig(operation_timeout=60, global_timeout=3600, grace_period=30, warning_threshold=0.8)
_STRICT = TimeoutConfig(
    operation_timeout=60, global_timeout=3600, warning_threshold=1, enable_progressive_timeout=False
)
_BAR = 3.0


class Late(NamedTuple):
    """Milliseconds between a limit and its exception."""

    median: float
    p99: float
    worst: float

    @classmethod
    def of(cls, seconds: list[float]) -> Late:
        """Sum up."""
        values = sorted(second * 1e3 for second in seconds)
        return cls(statistics.median(values), values[int(len(values) * 0.99) - 1], values[-1])

    def __str__(self) -> str:
        return f"{self.median:.2f}, {self.p99:.2f}, {self.worst:.2f} ms"


@click.command(help=__doc__)
@click.option("--rounds", default=40, show_default=True, type=click.IntRange(min=2))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(*, rounds: int, as_json: bool) -> None:
    """Measure, print, and exit with 1 when the bar is missed."""
    # A line of the log for each of thousands of strikes is not what is measured.
    logging.getLogger("orchestrator").setLevel(logging.CRITICAL)
    manager = TimeoutManager(_CONFIG)
    with asyncio.Runner() as loop:
        figures = [
            _compared("enter and leave", loop, rounds, _both(_alone, manager), _BAR),
            _compared("three nested", loop, rounds, _both(_nested, manager)),
            _compared(f"{_AT_ONCE} at once", loop, rounds, _both(_together, manager)),
            _plain(manager, rounds),
            *_lateness(loop),
        ]
    show(figures, as_json=as_json)
    sys.exit(not all_met(figures))


Context = Callable[[], Any]
Batch = Callable[[int], Any]


def _both(use: Callable[[Context], Batch], manager: TimeoutManager) -> tuple[Batch, Batch]:
    return use(lambda: manager.timeout_context("a", 60)), use(lambda: asyncio.timeout(60))


def _alone(context: Context) -> Batch:
    async def run(count: int) -> None:
        for _ in range(count):
            async with context():
                pass

    return run


def _nested(context: Context) -> Batch:
    async def run(count: int) -> None:
        for _ in range(count):
            async with context(), context(), context():
                pass

    return run


def _together(context: Context) -> Batch:
    async def one() -> None:
        async with context():
            await asyncio.sleep(0)

    async def run(count: int) -> None:
        for _ in range(max(1, count // _AT_ONCE)):
            await asyncio.gather(*(one() for _ in range(_AT_ONCE)))

    return run


def _compared(
    label: str, loop: asyncio.Runner, rounds: int, sides: tuple[Batch, Batch], bar: float | None = None
) -> Figure:
    """Microseconds a use: the tenth percentile of alternating rounds, which a busy neighbour leaves alone."""
    ours, peer = sides
    count = _count(lambda number: loop.run(peer(number)))
    taken: dict[str, list[float]] = {"ours": [], "peer": []}
    for number in range(rounds):
        for name, run in (("ours", ours), ("peer", peer))[:: 1 if number % 2 == 0 else -1]:
            began = time.perf_counter()
            loop.run(run(count))
            taken[name].append((time.perf_counter() - began) / count * 1e6)
    micros, theirs = (statistics.quantiles(taken[name], n=10)[0] for name in ("ours", "peer"))
    ratio = micros / theirs
    return Figure(
        f"{label}: µs",
        f"{micros:.2f}, {ratio:.2f} times",
        f"≤ {bar:g} times" if bar else "",
        ratio <= bar if bar else None,
        {"asyncio.timeout": f"{theirs:.2f}"},
    )


def _plain(manager: TimeoutManager, rounds: int) -> Figure:
    """The same context in code that is not async; nobody else's does the same, so there is no peer."""

    def run(count: int) -> None:
        for _ in range(count):
            with manager.timeout_context("a", 60):
                pass

    count = _count(run)
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        run(count)
        taken.append((time.perf_counter() - began) / count * 1e6)
    return Figure("enter and leave, not async: µs", f"{statistics.quantiles(taken, n=10)[0]:.2f}")


def _count(run: Callable[[int], Any]) -> int:
    began = time.perf_counter()
    run(100)
    each = (time.perf_counter() - began) / 100
    return max(_AT_ONCE, min(50_000, int(_BATCH_SECONDS / each)))


def _lateness(loop: asyncio.Runner) -> list[Figure]:
    manager = TimeoutManager(_STRICT)

    def ours() -> Any:
        return manager.timeout_context("a", _LIMIT_SECONDS)

    def peer() -> Any:
        return asyncio.timeout(_LIMIT_SECONDS)

    label = "late by (median, p99, worst)"
    rows = []
    for name, at_once in (("one after the other", 1), (f"{_AT_ONCE} at once", _AT_ONCE)):
        late = {
            who: Late.of(loop.run(_struck(context, at_once)))
            for who, context in (("ours", ours), ("peer", peer))
        }
        rows.append(
            Figure(f"{label}, {name}", str(late["ours"]), peers={"asyncio.timeout": str(late["peer"])})
        )
    rows.append(Figure(f"{label}, not async, main thread", str(Late.of(_struck_plainly(ours)))))
    beside: list[float] = []
    thread = threading.Thread(target=lambda: beside.extend(_struck_plainly(ours)))
    thread.start()
    thread.join()
    rows.append(Figure(f"{label}, not async, another thread", str(Late.of(beside))))
    return rows


async def _struck(context: Context, at_once: int) -> list[float]:
    async def one() -> float:
        began = time.perf_counter()
        with suppress(TimeoutError):
            async with context():
                await asyncio.sleep(10)
        return time.perf_counter() - began - _LIMIT_SECONDS

    late: list[float] = []
    for _ in range(max(10, _STRIKES // at_once)):
        late += await asyncio.gather(*(one() for _ in range(at_once)))
    return late


def _struck_plainly(context: Context) -> list[float]:
    late = []
    for _ in range(_STRIKES):
        began = time.perf_counter()
        with suppress(TimeoutError), context():
            while True:
                sum(range(100))
        late.append(time.perf_counter() - began - _LIMIT_SECONDS)
    return late


if __name__ == "__main__":
    main()
