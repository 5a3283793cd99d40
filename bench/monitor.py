"""What it costs to record a call, how near its percentiles are, and what it costs to say all of it.

Recording is timed beside prometheus_client's histogram and counter with the same labels, in turns in the same
run; percentiles of three distributions are held against the exact ones; and Prometheus' text is made of as
many series as a large process has. A run takes some seconds.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))  # a script sees only its own folder

from prometheus_client import CollectorRegistry, Counter, Histogram

from bench.load.bars import Figure, all_met, show
from monitoring.performance import PerformanceMonitor
from monitoring.recording.recorder import Recorder

_LABELS = ("kafka_client", "publish_event", "success")
_BATCH = 5_000
_SERIES_OF_ONE_OPERATION = 23
_MOST_PERCENT_OFF = 5
_SHORT_PART = 0.9
# So that nothing is alerted of between the figures.
_NEVER_SLOW_MS = 1e8
Batch = Callable[[], None]


@click.command(help=__doc__)
@click.option("--rounds", default=40, show_default=True, type=click.IntRange(min=2))
@click.option("--samples", default=200_000, show_default=True, type=click.IntRange(min=1000))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(*, rounds: int, samples: int, as_json: bool) -> None:
    """Measure, print, and exit with 1 when a bar is missed."""
    figures = [*_recording(rounds), *_percentiles(samples), *_saying(rounds)]
    show(figures, as_json=as_json)
    sys.exit(not all_met(figures))


def _recording(rounds: int) -> Iterator[Figure]:
    batches = {
        "sync": _synchronous(),
        "fleet": _for_fleet(),
        "awaited": _awaited(),
        "prometheus_client": _peer(),
    }
    taken: dict[str, list[float]] = {name: [] for name in batches}
    for number in range(rounds):
        for name in batches if number % 2 == 0 else reversed(list(batches)):
            began = time.perf_counter()
            batches[name]()
            taken[name].append((time.perf_counter() - began) / _BATCH * 1e6)
    # The tenth percentile, which a busy neighbour leaves alone.
    micros = {name: statistics.quantiles(values, n=10)[0] for name, values in taken.items()}
    peer = {"prometheus_client": f"{micros['prometheus_client']:.2f} µs"}
    yield Figure("record: µs", f"{micros['sync']:.2f}", "≤ 1", micros["sync"] <= 1, peer)
    fleet = micros["fleet"]
    yield Figure("record for the fleet, and taken: µs", f"{fleet:.2f}", "≤ 1", fleet <= 1, peer)
    yield Figure("record_performance_metric, awaited: µs", f"{micros['awaited']:.2f}", peers=peer)
    ratio = micros["prometheus_client"] / micros["sync"]
    yield Figure("record, times as fast as prometheus_client", f"{ratio:.2f}", "≥ 1", ratio >= 1)


def _synchronous() -> Batch:
    record = PerformanceMonitor(shared=False).record

    def run() -> None:
        for _ in range(_BATCH):
            record("kafka_client", "publish_event", 150.3, True)

    return run


def _for_fleet() -> Batch:
    """As a process records that writes: what was recorded is taken after each batch, of some milliseconds."""
    recorder = Recorder(lambda: 24, on_first=lambda: None)
    record = recorder.record

    def run() -> None:
        for _ in range(_BATCH):
            record("kafka_client", "publish_event", 150.3, True)
        recorder.take()

    return run


def _awaited() -> Batch:
    monitor = PerformanceMonitor(shared=False)
    runner = asyncio.Runner()

    async def calls() -> None:
        for _ in range(_BATCH):
            await monitor.record_performance_metric(
                component="kafka_client", operation="publish_event", duration_ms=150.3, success=True
            )

    return lambda: runner.run(calls())


def _peer() -> Batch:
    registry, names = CollectorRegistry(), ("component", "operation", "status")
    durations = Histogram("duration_seconds", "Durations.", names, registry=registry)
    requests = Counter("requests", "Requests.", names, registry=registry)

    def run() -> None:
        for _ in range(_BATCH):
            durations.labels(*_LABELS).observe(0.1503)
            requests.labels(*_LABELS).inc()

    return run


def _percentiles(samples: int) -> Iterator[Figure]:
    chance = random.Random(7)  # noqa: S311 (the same numbers in each run)
    distributions: dict[str, Callable[[], float]] = {
        "lognormal": lambda: chance.lognormvariate(-1, 0.9),
        "bimodal 0.6/30 s": lambda: (
            chance.gauss(0.6, 0.06) if chance.random() < _SHORT_PART else chance.gauss(30, 3)
        ),
        "pareto 1.5": lambda: 0.05 * chance.paretovariate(1.5),
    }
    for name, draw in distributions.items():
        values = [max(1e-4, draw()) * 1000 for _ in range(samples)]
        monitor = PerformanceMonitor(alert_threshold_response_time_ms=_NEVER_SLOW_MS, shared=False)
        for value in values:
            monitor.record("shop", "order", value, True)
        shown = monitor.dashboard()["component_performance"]["shop"]
        exact = statistics.quantiles(values, n=100)
        for percent in (95, 99):
            error = abs(shown[f"p{percent}_duration_ms"] / exact[percent - 1] - 1) * 100
            yield Figure(
                f"p{percent} of {name}: % off",
                f"{error:.2f}",
                f"≤ {_MOST_PERCENT_OFF}",
                error <= _MOST_PERCENT_OFF,
            )


def _saying(rounds: int) -> Iterator[Figure]:
    for series, bar in ((1000, 50.0), (1000 * _SERIES_OF_ONE_OPERATION, None)):
        monitor = _filled(round(series / _SERIES_OF_ONE_OPERATION))
        taken = []
        for _ in range(max(4, rounds // 4)):
            began = time.perf_counter()
            text = monitor.prometheus()
            taken.append((time.perf_counter() - began) * 1000)
        lines = sum(not line.startswith("#") for line in text.splitlines())
        ms = statistics.quantiles(taken, n=10)[0]
        yield Figure(
            f"get_prometheus_metrics of {lines} series: ms",
            f"{ms:.1f}",
            f"≤ {bar:g}" if bar else "",
            ms <= bar if bar else None,
        )


def _filled(operations: int) -> PerformanceMonitor:
    chance, monitor = random.Random(7), PerformanceMonitor(shared=False)  # noqa: S311
    for number in range(operations):
        for _ in range(50):
            duration_ms = 1000 * chance.lognormvariate(-1, 0.9)
            monitor.record(f"component-{number % 50}", f"operation-{number // 50}", duration_ms, True)
    return monitor


if __name__ == "__main__":
    main()
