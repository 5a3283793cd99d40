"""`omninode relay`: moves dead letters on, in the foreground, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
import time
from queue import Empty, SimpleQueue
from threading import Event, Thread

import click

_INTERRUPTED = 130
_ASK_SECONDS = 0.5
# `make` and a terminal may both pass one Ctrl-C on: two that close together are one.
_SAME_SECONDS = 0.3


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write log lines as JSON, one object a line.")
@click.option(
    "--check", is_flag=True, help="Only ask whether a relay of this host is heard: exits with 0, or with 1."
)
@click.option(
    "--prefix",
    help="What the broker's keys begin with, where the app has set a `global_keyprefix`"
    " (else OMNINODE_KEY_PREFIX).",
)
def relay(*, as_json: bool, check: bool, prefix: str | None) -> None:
    """Move dead letters to Kafka, index them in PostgreSQL, and watch over them, until Ctrl-C.

    Any number of relays share the work. What one leaves behind when it is killed, the others, or the next
    one, go on with; while a server is away the letters wait. Alerts are logged, and `omninode health` shows
    them.
    Exits with 0 after SIGTERM and with 130 after Ctrl-C; a second one ends it at once.
    """
    from orchestrator import logs, settings

    chosen = settings.current()
    if prefix is not None:
        chosen = settings.use(chosen.model_copy(update={"key_prefix": prefix}))
    if check:
        sys.exit(_check())
    logs.configure("INFO", "json" if as_json else chosen.log_format)
    sys.exit(_run())


def _run() -> int:
    from orchestrator import settings
    from orchestrator.relay import process

    # A queue that may be written to wherever the main thread is interrupted.
    signals: SimpleQueue[int] = SimpleQueue()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda number, _frame: signals.put(number))
    stop = Event()
    worker = Thread(target=process.run, args=(settings.current(), stop), name="relay", daemon=True)
    worker.start()
    code, since = 1, 0.0
    while worker.is_alive():
        try:
            number = signals.get(timeout=_ASK_SECONDS)
        except Empty:
            continue
        if not stop.is_set():
            code, since = _INTERRUPTED if number == signal.SIGINT else 0, time.monotonic()
            stop.set()
            signals.put(0)
        elif number and time.monotonic() - since > _SAME_SECONDS:
            os._exit(code)
        else:
            worker.join(_ASK_SECONDS)
    return code


def _check() -> int:
    import socket

    from redis.exceptions import RedisError

    from orchestrator import broker, redis, settings
    from orchestrator.relay.watching import heartbeat

    host, chosen = socket.gethostname(), settings.current()
    try:
        with broker.client(
            chosen, decode=True, timeout_seconds=redis.COMMAND_TIMEOUT_SECONDS, retries=0
        ) as client:
            heard = heartbeat.heard(client, chosen.key_prefix)
            names = [name for name in heard if name.startswith(f"{host}:")]
    except (RedisError, OSError) as error:
        click.echo(f"the broker does not answer: {error}", err=True)
        return 1
    click.echo(", ".join(names) or f"no relay of {host} was heard")
    return 0 if names else 1
