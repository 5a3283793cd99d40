"""What publishing events costs: KafkaClient beside the library's asyncio producer, in the same run.

Thousands are awaited at once, in rounds in which either goes first in turn; the median of the rounds'
ratios counts. Then the time that one awaited event takes, and one that becomes a dead letter, as the circuit
is open. Asks a stack of its own, or the one of OMNINODE_TEST_STACK. Not for asyncio's debug mode: in it the
library's own producer waits for ever, as its threads touch the loop's futures.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[1]))  # a script sees only its own folder

from confluent_kafka.aio import AIOProducer

from bench.load.found import tell
from orchestrator import settings
from orchestrator.dev.stack import Addresses, running
from orchestrator.kafka import KafkaClient, connections

_VALUE = b"x" * 200
_TOPIC = "bench-events"
_SINGLE = 100
_BAR = 0.5
# Nobody listens there.
_AWAY = "127.0.0.1:1"

Round = Callable[[int], Awaitable[float]]


@click.command(help=__doc__)
@click.option("--events", default=10_000, show_default=True, type=click.IntRange(min=100))
@click.option("--rounds", default=9, show_default=True, type=click.IntRange(min=7))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(*, events: int, rounds: int, as_json: bool) -> None:
    """Measure, print, and exit with 1 when the client has less than half of the library's rate."""
    try:
        given = os.environ.get("OMNINODE_TEST_STACK")
        if given:
            found = measure(Addresses(**json.loads(given)), events, rounds)
        else:
            with running() as addresses:
                found = measure(addresses, events, rounds)
    except KeyboardInterrupt:
        sys.exit(130)
    tell(found, as_json=as_json)
    sys.exit(not found["met"])


def measure(addresses: Addresses, events: int, rounds: int) -> dict[str, Any]:
    """All figures, by what they are."""
    settings.use(
        settings.Settings(
            redis_url=addresses.redis_url, kafka_bootstrap_servers=addresses.kafka_bootstrap_servers
        )
    )
    return asyncio.run(_measure(events, rounds))


async def _measure(events: int, rounds: int) -> dict[str, Any]:
    raw = AIOProducer(connections.asyncio_options(settings.current().kafka_bootstrap_servers, 30.0))
    async with KafkaClient(default_topic=_TOPIC) as client:
        contenders: dict[str, Round] = {
            "library": lambda number: _library(raw, number),
            "client": lambda number: _client(client, _VALUE, number),
            "client, dicts": lambda number: _client(client, {"name": "order", "number": 7}, number),
        }
        rates: dict[str, list[float]] = {name: [] for name in contenders}
        for each in contenders.values():
            await each(_SINGLE)
        for number in range(rounds):
            names = list(contenders) if number % 2 == 0 else reversed(list(contenders))
            for name in names:
                rates[name].append(events / await contenders[name](events))
        single = [await _client(client, _VALUE, 1) for _ in range(_SINGLE)]
    await raw.close()
    medians = {name: statistics.median(found) for name, found in rates.items()}
    # Round by round: what else the machine does meets both alike.
    ratio = statistics.median(
        ours / theirs for ours, theirs in zip(rates["client"], rates["library"], strict=True)
    )
    return {
        "events/s, the library's producer": medians["library"],
        "events/s, KafkaClient": medians["client"],
        "events/s, KafkaClient, written as JSON": medians["client, dicts"],
        "KafkaClient's part of the library's (bar 0.5)": ratio,
        "one awaited event, ms": 1000 * statistics.median(single),
        **await _dead(events),
        "met": ratio >= _BAR,
    }


async def _library(producer: AIOProducer, number: int) -> float:
    async def one() -> None:
        await (await producer.produce(_TOPIC, _VALUE))

    began = perf_counter()
    publishing = asyncio.gather(*(one() for _ in range(number)))
    await asyncio.sleep(0)
    await producer.flush()
    await publishing
    return perf_counter() - began


async def _client(client: KafkaClient, event: Any, number: int) -> float:
    began = perf_counter()
    outcomes = await asyncio.gather(*(client.publish_event(event) for _ in range(number)))
    took = perf_counter() - began
    assert all(outcomes)
    return took


async def _dead(events: int) -> dict[str, float]:
    client = KafkaClient(_AWAY, max_retry_attempts=0, timeout_seconds=0.2, default_topic=_TOPIC)
    while (await client.get_resilience_metrics())["circuit_breaker"]["state"] == "closed":
        await client.publish_event(_VALUE)
    single = []
    for _ in range(_SINGLE):
        began = perf_counter()
        outcome = await client.publish_event(_VALUE)
        single.append(perf_counter() - began)
        assert outcome.dead_lettered
    number = min(events, 1000)
    began = perf_counter()
    await asyncio.gather(*(client.publish_event(_VALUE) for _ in range(number)))
    together = number / (perf_counter() - began)
    await client.disconnect()
    return {
        "one event that becomes a dead letter, ms": 1000 * statistics.median(single),
        "events/s that become dead letters": together,
    }


if __name__ == "__main__":
    main()
