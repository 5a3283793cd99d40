"""Dead letters per second from the outbox to Kafka, beside a plain producer that sends the same records.

Both sides take turns in one run, on a stack of their own. Ours is `omninode relay`'s mover in a process of
its own: it reads the outbox, makes the records, has them acknowledged by Kafka and forgets the entries. The
peer is confluent-kafka's producer, which is given finished keys, values and headers and waits for the same
acknowledgements. Both have warmed up. A run of five rounds takes about a minute.
"""

from __future__ import annotations

import base64
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[1]))  # a script sees only its own folder

from confluent_kafka import Producer

from orchestrator import broker, keys
from orchestrator.deadletter import letter
from orchestrator.deadletter.death import from_outbox
from orchestrator.deadletter.record import Record, to_record
from orchestrator.dev.stack import running
from orchestrator.settings import Settings

BAR = 5_000
CORES = 2
_QUEUE, _SUFFIX, _PEERS_TOPIC = "bench", ".dlq", "bench-peer.dlq"
_FRAMES = "".join(
    f'  File "/srv/shop/app/part_{number}.py", line {number}, in step_{number}\n    return step({number})\n'
    for number in range(12)
)
_TRACEBACK = f"Traceback (most recent call last):\n{_FRAMES}ValueError: no such address\n"
_MOVER = """
import signal, sys, threading
from orchestrator import settings
from orchestrator.relay.outbox.mover import Mover
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
Mover(settings.load(), "bench").run(stop)
"""


@click.command(help=__doc__)
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--letters", default=20_000, show_default=True, type=click.IntRange(min=100))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with every round.")
def main(*, rounds: int, letters: int, as_json: bool) -> None:
    """Measure, print, and exit with 1 when the bar is missed."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    with running() as stack:
        environment = stack.environment()
        settings = Settings.model_validate(environment)
        with broker.client(settings) as client, _mover(environment):
            ours, peer = _measure(settings, client, rounds, letters)
    median, of_peer = statistics.median(ours), statistics.median(peer)
    found = {"ours": median, "peer": of_peer, "ratio": median / of_peer, "bar": BAR, "met": median >= BAR}
    if as_json:
        print(json.dumps(found | {"rounds": {"ours": ours, "peer": peer}}, indent=2))
    else:
        _print(found, ours, peer)
    sys.exit(not found["met"])


def _measure(settings: Settings, client: Any, rounds: int, letters: int) -> tuple[list[float], list[float]]:
    entries = [_entry(number) for number in range(letters)]
    records = [_record(entry) for entry in entries]
    producer = _producer(settings)
    _drain(client, entries[:1000])
    _produce(producer, records[:1000])
    ours, peer = [], []
    for _ in range(rounds):
        ours.append(_drain(client, entries))
        peer.append(_produce(producer, records))
    return ours, peer


def _entry(number: int) -> dict[str, Any]:
    """A failed task with ordinary arguments and twelve frames: 2.5 KB."""
    body = [[number], {"address": "somebody@example.org", "text": "x" * 500}, {"callbacks": None}]
    envelope = {
        "body": base64.b64encode(json.dumps(body).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "id": f"task-{number}",
            "task": "shop.mail.send",
            "lang": "py",
            "retries": 0,
            "root_id": f"task-{number}",
            "argsrepr": f"({number},)",
            "kwargsrepr": "{'address': 'somebody@example.org'}",
            "origin": "gen1@host",
        },
        "properties": {
            "delivery_tag": f"tag-{number}",
            "correlation_id": f"task-{number}",
            "body_encoding": "base64",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": _QUEUE},
        },
    }
    raw, error = json.dumps(envelope).encode(), ValueError("no such address")
    fields = letter.write(
        "exception", _QUEUE, raw, envelope, error=error, traceback=_TRACEBACK, worker="w1@host"
    )
    return {**fields, "raw": raw}


def _record(entry: dict[str, Any]) -> Record:
    fields = {name: text for name, text in entry.items() if name != "raw"}
    record = to_record(from_outbox(fields, entry["raw"]), 1_000_000)
    assert record is not None
    return record


def _drain(client: Any, entries: Sequence[dict[str, Any]]) -> float:
    """Letters a second: the outbox is filled while nothing reads it, and then has to become empty."""
    outbox, aside = keys.outbox(), f"{keys.outbox()}:bench"
    _wait(lambda: client.xlen(outbox) == 0)
    pipeline = client.pipeline(transaction=False)
    for entry in entries:
        pipeline.xadd(aside, entry)
    pipeline.execute()
    # The group comes along, as the mover would otherwise have to make it anew.
    client.xgroup_create(aside, "relay", id="0")
    began = time.monotonic()
    client.rename(aside, outbox)
    _wait(lambda: client.xlen(outbox) == 0)
    return len(entries) / (time.monotonic() - began)


def _producer(settings: Settings) -> Producer:
    return Producer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 10,
            "compression.type": "lz4",
        }
    )


def _produce(producer: Producer, records: Sequence[Record]) -> float:
    """Records a second, from the first `produce` to the last acknowledgement."""
    began = time.monotonic()
    for record in records:
        producer.produce(
            _PEERS_TOPIC,
            record.value,
            record.key,
            headers=list(record.headers),
            timestamp=record.timestamp_ms,
        )
        producer.poll(0)
    assert producer.flush(60) == 0
    return len(records) / (time.monotonic() - began)


@contextmanager
def _mover(environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-c", _MOVER], env=os.environ | environment | {"KAFKA_DLQ_SUFFIX": _SUFFIX}
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def _wait(condition: Callable[[], bool], within_seconds: float = 60.0) -> None:
    give_up_at = time.monotonic() + within_seconds
    while not condition():
        if time.monotonic() > give_up_at:
            raise TimeoutError("the outbox was not drained in time")
        Event().wait(0.01)


def _print(found: dict[str, Any], ours: Sequence[float], peer: Sequence[float]) -> None:
    for name, value, rounds in (
        ("relay: outbox to Kafka", found["ours"], ours),
        ("peer: a plain producer", found["peer"], peer),
    ):
        print(f"{name:24} {value:10,.0f}/s   " + " ".join(f"{rate:,.0f}" for rate in rounds))
    verdict = "met" if found["met"] else "missed"
    print(f"{'ratio':24} {found['ratio']:10.2f}     the bar of {BAR:,}/s is {verdict}")


if __name__ == "__main__":
    main()
