"""What a call costs that a circuit breaker guards, beside four other libraries in the same run.

In one process and on one Redis, in turns: microseconds of a call that succeeds, fails, or is turned away,
for plain functions and for coroutine functions, and how many Redis commands it sends. Ours counts calls in
the fleet's window and notices slow ones meanwhile; `circuitbreaker` keeps all in memory. A run takes about a
minute.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import click

sys.path.insert(0, str(Path(__file__).parents[1]))  # a script sees only its own folder

from redis import Redis

from bench.load.bars import Figure, all_met, show
from bench.load.breakers.contenders import (
    ALL,
    CIRCUITBREAKER,
    INTERLOCK,
    OMNINODE,
    PURGATORY,
    PYBREAKER,
    Contender,
    Guard,
    Rules,
)
from bench.load.breakers.server import redis_server

# A call is timed in batches that last about as long for a fast library as for a slow one.
_BATCH_SECONDS = 0.01
_ENDINGS = ("succeeds", "fails", "is refused")
_NEVER = Rules(threshold=1_000_000)
_AT_ONCE = Rules(threshold=1, open_seconds=3600)


class Key(NamedTuple):
    """Whose call, which kind of function, how it ends."""

    contender: str
    kind: str
    ending: str


class Timed(NamedTuple):
    """A batch of calls to time: `run(count)`; and how many of them a batch has."""

    run: Callable[[int], None]
    calls: int


class Down(Exception):
    """What the dependency says."""


@click.command(help=__doc__)
@click.option("--rounds", default=40, show_default=True, type=click.IntRange(min=2))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(*, rounds: int, as_json: bool) -> None:
    """Measure, print, and exit with 1 when a bar is missed."""
    with redis_server() as server, asyncio.Runner() as loop:
        batches = _batches(server.url, loop)
        micros = _time(batches, rounds)
        with Redis.from_url(server.url) as client:
            commands = {key: _commands(client, batch) for key, batch in batches.items()}
    figures = _figures(micros, commands)
    show(figures, as_json=as_json)
    sys.exit(not all_met(figures))


def _batches(url: str, loop: asyncio.Runner) -> dict[Key, Timed]:
    batches: dict[Key, Timed] = {}
    for contender in ALL:
        for ending in _ENDINGS:
            if contender.plain:
                batches[Key(contender.name, "plain", ending)] = _sized(_plain(contender, url, ending))
            if contender.coroutines:
                run = _coroutine(contender, url, ending, loop)
                batches[Key(contender.name, "async", ending)] = _sized(run)
    return batches


def _plain(contender: Contender, url: str, ending: str) -> Callable[[int], None]:
    guard = _guard(contender, url, "plain", ending)
    call = guard.wrap(_down if ending != "succeeds" else _nothing)
    if ending == "is refused":
        _trip(call, guard)

    def run(count: int) -> None:
        for _ in range(count):
            try:  # noqa: SIM105 (faster)
                call()
            except (Down, guard.refused):
                pass

    return run


def _coroutine(contender: Contender, url: str, ending: str, loop: asyncio.Runner) -> Callable[[int], None]:
    guard = _guard(contender, url, "async", ending)

    async def made() -> Callable[[], Any]:
        if guard.prepare:
            await guard.prepare()
        return guard.wrap(_async_down if ending != "succeeds" else _async_nothing)

    call = loop.run(made())

    async def calls(count: int) -> None:
        for _ in range(count):
            try:  # noqa: SIM105 (faster)
                await call()
            except (Down, guard.refused):
                pass

    if ending == "is refused":
        _trip(lambda: loop.run(call()), guard)
    return lambda count: loop.run(calls(count))


def _guard(contender: Contender, url: str, kind: str, ending: str) -> Guard:
    rules = _AT_ONCE if ending == "is refused" else _NEVER
    return contender.make(url, f"{contender.name}-{kind}-{ending.replace(' ', '-')}", rules)


def _trip(call: Callable[[], Any], guard: Guard) -> None:
    limit = time.monotonic() + 10
    while time.monotonic() < limit:
        try:
            call()
        except guard.refused:
            return
        except Down:
            time.sleep(0.01)
    raise RuntimeError(f"{guard.refused.__module__} never tripped")


def _nothing() -> None:
    """Succeed."""


def _down() -> None:
    raise Down


async def _async_nothing() -> None:
    """Succeed."""


async def _async_down() -> None:
    raise Down


def _sized(run: Callable[[int], None]) -> Timed:
    run(3)
    began = time.perf_counter()
    run(10)
    each = (time.perf_counter() - began) / 10
    return Timed(run, max(10, min(20_000, int(_BATCH_SECONDS / each))))


def _time(batches: dict[Key, Timed], rounds: int) -> dict[Key, float]:
    """Microseconds a call: the tenth percentile of the rounds, which a busy neighbour leaves alone."""
    taken: dict[Key, list[float]] = {key: [] for key in batches}
    for number in range(rounds):
        for key in batches if number % 2 == 0 else reversed(list(batches)):
            began = time.perf_counter()
            batches[key].run(batches[key].calls)
            taken[key].append((time.perf_counter() - began) / batches[key].calls * 1e6)
    return {key: statistics.quantiles(values, n=10)[0] for key, values in taken.items()}


def _commands(client: Any, batch: Timed, calls: int = 300) -> float:
    """Redis commands a call, without those that the process sends while nothing is called.

    The server's reads are counted: of commands it also counts those that a script runs inside of it.
    """
    began = time.monotonic()
    before = _processed(client)
    batch.run(calls)
    seconds = time.monotonic() - began
    sent = _processed(client) - before - 1
    before = _processed(client)
    time.sleep(max(seconds, 0.05))
    idle = _processed(client) - before - 1
    return max(0.0, (sent - idle) / calls)


def _processed(client: Any) -> int:
    with suppress(KeyError):
        return int(client.info("stats")["total_reads_processed"])
    return 0


def _figures(micros: dict[Key, float], commands: dict[Key, float]) -> list[Figure]:
    kinds = ("plain", "async")
    closed = {kind: micros[Key(OMNINODE.name, kind, "succeeds")] for kind in kinds}
    return [
        *(_row(micros, commands, kind, ending) for kind in kinds for ending in _ENDINGS),
        _ratio(micros, CIRCUITBREAKER, "plain", closed["plain"], 1.0),
        _ratio(micros, CIRCUITBREAKER, "async", closed["async"], 1.0),
        _ratio(micros, PYBREAKER, "plain", closed["plain"], 300),
        _ratio(micros, PURGATORY, "async", closed["async"], 300),
        _ratio(micros, INTERLOCK, "plain", closed["plain"], 10),
    ]


def _row(micros: dict[Key, float], commands: dict[Key, float], kind: str, ending: str) -> Figure:
    most = 1.0 if ending == "fails" else 0.0
    shown = {
        contender.name: f"{micros[key]:.2f} µs, {commands[key]:.1f}"
        for contender in ALL
        if (key := Key(contender.name, kind, ending)) in micros
    }
    sent = commands[Key(OMNINODE.name, kind, ending)]
    return Figure(
        f"{kind}, {ending}: µs, commands",
        shown.pop(OMNINODE.name),
        f"≤ {most:g} commands",
        # What the hub does beside the calls does not come evenly.
        sent <= most + 0.05,
        shown,
    )


def _ratio(micros: dict[Key, float], peer: Contender, kind: str, ours: float, bar: float) -> Figure:
    ratio = micros[Key(peer.name, kind, "succeeds")] / ours
    return Figure(f"{kind}, times as fast as {peer.name}", f"{ratio:.2f}", f"≥ {bar:g}", ratio >= bar)


if __name__ == "__main__":
    main()
