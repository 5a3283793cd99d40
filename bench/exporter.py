"""How long the exporter takes for /metrics, from the request to the last byte, beside prometheus_client.

A real exporter reads the sums of a real Redis, in which every series has been called anew since the last
time, asks the fleet, judges it, and answers. Two sizes: a thousand lines, and a thousand labellings of calls,
each with the twenty-two lines of a histogram and its counter. In the same run, in turns, prometheus_client
writes as many series out of this process's memory, where it reads and asks nothing.
"""

from __future__ import annotations

import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from urllib.parse import urlsplit

import click

sys.path.insert(0, str(Path(__file__).parents[1]))  # a script sees only its own folder

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from bench.load.bars import Figure, all_met, show
from monitoring.rollup import process
from orchestrator import redis, schema, settings
from orchestrator.dev import environment
from orchestrator.dev.stack import running

_LINES_OF_ONE = 23
_SIZES = {"1,000 lines": 1000 // _LINES_OF_ONE, "1,000 histograms and counters": 1000}
_BAR_MS = 50.0
_CALLS = 50
# What is read and what is made of it are each good for half a second.
_FRESH_SECONDS = 1.1
_START_SECONDS = 30.0


@click.command(help=__doc__)
@click.option("--rounds", default=12, show_default=True, type=click.IntRange(min=4))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(*, rounds: int, as_json: bool) -> None:
    """Measure, print, and exit with 1 when a bar is missed."""
    with running(who="a benchmark") as stack, environment.entered(stack.environment()):
        schema.migrate(stack.database_url)
        figures = [_figure(name, series, rounds) for name, series in _SIZES.items()]
    show(figures, as_json=as_json)
    sys.exit(not all_met(figures))


def _figure(name: str, series: int, rounds: int) -> Figure:
    with redis.connect(settings.current().redis_url) as client:
        client.flushdb()
    process.forget()
    peer = _Peer(series)
    for _ in range(_CALLS):
        _call_all(series, peer)
    ours, theirs = [], []
    with _exporter() as url:
        for _ in range(rounds):
            _call_all(series, peer)
            process.flush()
            time.sleep(_FRESH_SECONDS)
            took, lines = _scraped(url)
            ours.append(took)
            theirs.append(peer.took())
    ms, peer_ms = (statistics.median(taken) * 1000 for taken in (ours, theirs))
    least = min(ours) * 1000
    return Figure(
        f"/metrics of {name} ({lines} lines): ms, the median",
        f"{ms:.1f} (least {least:.1f})",
        f"≤ {_BAR_MS:g}",
        ms <= _BAR_MS,
        {"generate_latest": f"{peer_ms:.1f} ms"},
    )


class _Peer:
    """The same series as prometheus_client has them, in its own registry."""

    def __init__(self, series: int) -> None:
        names = ("component", "operation", "status")
        self._registry = CollectorRegistry()
        buckets = [2.0**power for power in range(-8, 11)]
        self._durations = Histogram(
            "duration_seconds", "Durations.", names, buckets=buckets, registry=self._registry
        )
        self._requests = Counter("requests", "Requests.", names, registry=self._registry)
        self._series = series

    def call(self, labels: tuple[str, str, str], seconds: float) -> None:
        self._durations.labels(*labels).observe(seconds)
        self._requests.labels(*labels).inc()

    def took(self) -> float:
        began = time.perf_counter()
        generate_latest(self._registry)
        return time.perf_counter() - began


def _call_all(series: int, peer: _Peer) -> None:
    for number in range(series):
        seconds = _CHANCE.lognormvariate(-1, 0.9)
        component, operation = f"component-{number % 50}", f"operation-{number // 50}"
        process.recorder.record(component, operation, seconds * 1000, success=True)
        peer.call((component, operation, "success"), seconds)


_CHANCE = random.Random(7)  # noqa: S311 (the same numbers in each run)


@contextmanager
def _exporter() -> Iterator[str]:
    command = [sys.executable, "-m", "orchestrator.cli", "exporter", "--port", "0", "--json"]
    with TemporaryFile() as log:
        started = subprocess.Popen(command, stderr=log, stdout=log)
        try:
            yield _address(log)
        finally:
            started.terminate()
            started.wait(10)


def _address(log: IO[bytes]) -> str:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        log.seek(0)
        found = re.search(rb'"url": "([^"]+)"', log.read())
        if found:
            return found[1].decode()
        time.sleep(0.05)
    raise SystemExit("the exporter did not start")


def _scraped(url: str) -> tuple[float, int]:
    at = urlsplit(url)
    connection = HTTPConnection(str(at.hostname), at.port, timeout=30)
    try:
        began = time.perf_counter()
        connection.request("GET", "/metrics")
        body = connection.getresponse().read()
        took = time.perf_counter() - began
    finally:
        connection.close()
    return took, sum(not line.startswith(b"#") for line in body.splitlines())


if __name__ == "__main__":
    main()
