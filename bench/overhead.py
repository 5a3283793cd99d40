"""What each pattern costs an operation that goes well, beside what the patterns' document claims of it.

The operation is an HTTP request to a server on this machine (httpx2, in this process): its processor time is
what the per cent are of. A pattern's own time is measured around an operation that does nothing, in turns
with the bare one, because a tenth of a per cent of a request cannot be seen in the request. Dead letters cost
nothing while all goes well; measured is an event that cannot be published, from the call to the letter's
place in Redis. Memory is what is still held after the uses, over ten names. A run takes about a minute.
"""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[1]))  # a script sees only its own folder

import httpx2

from bench.load.bars import Figure, all_met, show
from monitoring.performance import PerformanceMonitor
from orchestrator import settings
from orchestrator.breaker import breaker
from orchestrator.breaker.hub import hub
from orchestrator.dev.stack import running
from orchestrator.kafka import KafkaClient
from orchestrator.retry.calling import retry_with_backoff
from orchestrator.timeouts import TimeoutManager

_USES = 5_000
_NAMES = tuple(f"operation-{number}" for number in range(10))
_REQUESTS, _LETTERS = 300, 200

Operation = Callable[[], Awaitable[None]]
Pattern = Callable[[str, Operation], Awaitable[Any]]


@dataclass(frozen=True)
class Claim:
    """What the document says, as it says it; the numbers are the upper ends, None where it names none."""

    cpu: str
    cpu_percent: float | None
    memory: str
    latency: str
    latency_ms: float | None


_CLAIMS = {
    "Circuit Breaker": Claim("< 1%", 1, "Minimal", "< 1ms", 1),
    "Dead Letter Queue": Claim("2-5%", None, "Low", "5-10ms", 10),
    "Timeout Management": Claim("1-2%", 2, "Low", "< 1ms", 1),
    "Retry Pattern": Claim("Variable", None, "Low", "Variable", None),
    "Performance Monitoring": Claim("2-3%", 3, "Medium", "1-2ms", 2),
}


@dataclass(frozen=True)
class Cost:
    """Microseconds of the processor and of the clock a use, and KiB that are held afterwards."""

    cpu_micros: float
    clock_micros: float
    held_kib: float


@click.command(help=__doc__)
@click.option("--rounds", default=15, show_default=True, type=click.IntRange(min=3))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(*, rounds: int, as_json: bool) -> None:
    """Measure, print, and exit with 1 when a claim is missed."""
    with running() as stack:
        os.environ.update(stack.environment())
        settings.forget()
        with _server() as url:
            figures = asyncio.run(_measure(rounds, url))
    show(figures, as_json=as_json)
    sys.exit(not all_met(figures))


async def _measure(rounds: int, url: str) -> list[Figure]:
    request_micros = await _request_micros(url)
    figures = [Figure("the operation: processor's µs", f"{request_micros:.0f}")]
    for name, pattern in _patterns().items():
        cost = await _cost(pattern, rounds)
        figures += _figures(name, cost, request_micros)
    figures += await _of_letters(request_micros)
    return figures


def _patterns() -> dict[str, Pattern]:
    timeouts, monitor = TimeoutManager(), PerformanceMonitor(shared=False)

    async def guarded(name: str, operation: Operation) -> None:
        async with breaker(name):
            await operation()

    async def limited(name: str, operation: Operation) -> None:
        async with timeouts.timeout_context(name, 60):
            await operation()

    async def retried(_: str, operation: Operation) -> None:
        await retry_with_backoff(operation)

    async def recorded(name: str, operation: Operation) -> None:
        began = time.perf_counter()
        await operation()
        milliseconds = (time.perf_counter() - began) * 1e3
        await monitor.record_performance_metric("bench", name, milliseconds, success=True)

    return {
        "Circuit Breaker": guarded,
        "Timeout Management": limited,
        "Retry Pattern": retried,
        "Performance Monitoring": recorded,
    }


async def _cost(pattern: Pattern, rounds: int) -> Cost:
    async def bare(_: str, operation: Operation) -> None:
        await operation()

    await _used(pattern)
    tracemalloc.start()
    await _used(pattern)
    # The loop forgets timers that were cancelled when it next looks.
    await asyncio.sleep(0)
    held_kib = tracemalloc.get_traced_memory()[0] / 1024
    tracemalloc.stop()
    cpu, clock = [], []
    for _ in range(rounds):
        without, with_it = await _used(bare), await _used(pattern)
        cpu.append(with_it[0] - without[0])
        clock.append(with_it[1] - without[1])
    return Cost(statistics.median(cpu), statistics.median(clock), held_kib)


async def _used(pattern: Pattern) -> tuple[float, float]:
    """Microseconds of the processor and of the clock a use."""
    cpu, clock = time.process_time(), time.perf_counter()
    for number in range(_USES):
        await pattern(_NAMES[number % len(_NAMES)], _nothing)
    return (time.process_time() - cpu) / _USES * 1e6, (time.perf_counter() - clock) / _USES * 1e6


async def _nothing() -> None:
    """Go well."""


def _figures(name: str, cost: Cost, request_micros: float) -> list[Figure]:
    claim, percent, milliseconds = (
        _CLAIMS[name],
        cost.cpu_micros / request_micros * 100,
        cost.clock_micros / 1e3,
    )
    return [
        _held(
            f"{name}: CPU",
            f"{percent:.2f} % ({cost.cpu_micros:.2f} µs)",
            percent,
            claim.cpu,
            claim.cpu_percent,
        ),
        Figure(f"{name}: memory", f"{cost.held_kib:.1f} KiB", f"({claim.memory})"),
        _held(f"{name}: latency", f"{milliseconds:.4f} ms", milliseconds, claim.latency, claim.latency_ms),
    ]


def _held(label: str, ours: str, value: float, claim: str, most: float | None) -> Figure:
    return Figure(label, ours, f"({claim})", value <= most if most else None)


async def _request_micros(url: str) -> float:
    """Microseconds of this process's processor time that a request costs."""
    async with httpx2.AsyncClient() as client:

        async def some(count: int) -> float:
            began = time.process_time()
            for _ in range(count):
                (await client.get(url)).raise_for_status()
            return (time.process_time() - began) / count * 1e6

        await some(20)
        return statistics.median([await some(_REQUESTS // 5) for _ in range(5)])


@contextmanager
def _server() -> Iterator[str]:
    """A server in a process of its own: this one's processor time is the client's alone."""
    with (
        TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "--protocol", "HTTP/1.1", "0"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout
            address = re.search(r"http://\S+/", process.stdout.readline())
            assert address
            yield address[0]
        finally:
            process.kill()


async def _of_letters(request_micros: float) -> list[Figure]:
    """Events that cannot be published, because the circuit of Kafka was opened by hand."""
    claim = _CLAIMS["Dead Letter Queue"]
    async with KafkaClient() as client:
        well = await _published(client, "bench-events", expected=True)
        hub().store.control("kafka", "isolate", who="bench", why="measured", seconds=None)
        while breaker("kafka").state.mode != "isolated":  # noqa: ASYNC110 (a thread hears of it)
            await asyncio.sleep(0.01)
        tracemalloc.start()
        lettered = await _published(client, "bench-events", expected=False)
        held_kib = tracemalloc.get_traced_memory()[0] / 1024
        tracemalloc.stop()
    return [
        Figure(
            "Dead Letter Queue: CPU of a letter",
            f"{lettered[0] / request_micros * 100:.1f} % ({lettered[0]:.0f} µs)",
            f"({claim.cpu})",
            peers={"an event that is published": f"{well[0]:.0f} µs"},
        ),
        Figure("Dead Letter Queue: memory of one", f"{held_kib / _LETTERS:.2f} KiB", f"({claim.memory})"),
        _held(
            "Dead Letter Queue: latency",
            f"{lettered[1] / 1e3:.2f} ms",
            lettered[1] / 1e3,
            claim.latency,
            claim.latency_ms,
        ),
    ]


async def _published(client: KafkaClient, topic: str, *, expected: bool) -> tuple[float, float]:
    cpu, clocks = time.process_time(), []
    for number in range(_LETTERS):
        began = time.perf_counter()
        outcome = await client.publish_event({"number": number}, topic)
        clocks.append((time.perf_counter() - began) * 1e6)
        if bool(outcome) is not expected or outcome.dead_lettered is expected:
            raise RuntimeError(f"unexpected: {outcome}")
    return (time.process_time() - cpu) / _LETTERS * 1e6, statistics.median(clocks)


if __name__ == "__main__":
    main()
