"""The processes that work on a stack's servers: how each is started and asked whether it is ready.

Where the servers are, they have from this process's environment (`environment.entered`).
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException

from celery import Celery
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from orchestrator import settings
from orchestrator.dev.ports import LOOPBACK
from orchestrator.dev.processes.children import CLIENT, Child
from orchestrator.dev.processes.steps import Steps
from orchestrator.dev.servers.serving import Site

WORKER, BEAT, RELAY, FLOWER, EXPORTER = "worker", "beat", "relay", "flower", "exporter"
_ANSWER_SECONDS = 0.3
_OK = 200
# Logs are for people unless the user says otherwise.
_FOR_PEOPLE = {"OMNINODE_LOG_FORMAT": "console"}


def start_worker(site: Site, concurrency: int) -> Steps[str]:
    """Start a worker for every queue; returns its node name when it answers Celery's ping."""
    node = f"worker-{secrets.token_hex(3)}@localhost"
    # It is alone: mingling, which is asking for neighbours, would cost a second of every start.
    options = ["-E", "--without-mingle", "--concurrency", str(concurrency), "--hostname", node]
    # SIGTERM: finish what runs, which takes two seconds even where nothing does. SIGQUIT: put it back.
    child = _start(site, WORKER, *options, "--loglevel", "info", urge=signal.SIGQUIT, patience_seconds=2.4)
    app = Celery(broker=settings.current().broker_url, set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": settings.current().key_prefix}
    try:
        yield from site.until_answering(child, lambda: _is_pinged(app, node))
    finally:
        app.close()
    return node


def start_beat(site: Site) -> Steps[str]:
    """Start beat, which remembers its schedule in the stack's folder; returns where, when it has begun."""
    schedule = site.data(BEAT) / "schedule"
    child = _start(site, BEAT, "--schedule", str(schedule), "--loglevel", "info")
    # Beat has nobody to ask: it says so when it begins.
    yield from site.until_answering(child, lambda: "beat: Starting" in child.log.read_text(errors="replace"))
    return str(schedule)


def start_relay(site: Site) -> Steps[str]:
    """Start a relay; returns its process when it says that all of it works."""
    command = [sys.executable, "-m", "orchestrator.cli", "relay"]
    # SIGTERM: hand over what it holds, and leave the rest to the next one.
    child = _start_command(site, RELAY, command, patience_seconds=2.4)
    yield from site.until_answering(child, lambda: "relay_ready" in child.log.read_text(errors="replace"))
    return f"process {child.pid}"


def start_flower(site: Site) -> Steps[str]:
    """Start Flower; returns its URL when it says that it is healthy."""
    return (yield from site.on_free_ports(FLOWER, 1, lambda ports: _start_flower(site, ports[0])))


def _start_flower(site: Site, port: int) -> Steps[str]:
    child = _start(site, FLOWER, f"--address={LOOPBACK}", f"--port={port}")
    yield from site.until_answering(child, lambda: _answer(port, "/healthcheck") == (_OK, b"OK"))
    return f"http://{LOOPBACK}:{port}"


def start_exporter(site: Site) -> Steps[str]:
    """Start an exporter; returns its URL when it says that the fleet's figures can be read."""
    return (yield from site.on_free_ports(EXPORTER, 1, lambda ports: _start_exporter(site, ports[0])))


def _start_exporter(site: Site, port: int) -> Steps[str]:
    command = [sys.executable, "-m", "orchestrator.cli", EXPORTER, "--host", LOOPBACK, "--port", str(port)]
    child = _start_command(site, EXPORTER, command, patience_seconds=1.0)
    yield from site.until_answering(child, lambda: _answer(port, "/ready")[0] == _OK)
    return f"http://{LOOPBACK}:{port}"


def _start(
    site: Site,
    name: str,
    *options: str,
    urge: signal.Signals | None = None,
    patience_seconds: float = 1.0,
) -> Child:
    command = [sys.executable, "-m", "celery", "-A", "orchestrator", name, *options]
    return _start_command(site, name, command, urge=urge, patience_seconds=patience_seconds)


def _start_command(
    site: Site,
    name: str,
    command: Sequence[str],
    *,
    urge: signal.Signals | None = None,
    patience_seconds: float,
) -> Child:
    return site.children.start(
        name,
        command,
        order=CLIENT,
        urge=urge,
        patience_seconds=patience_seconds,
        environment=_FOR_PEOPLE | os.environ | {"PYTHONUNBUFFERED": "1"},
    )


def _is_pinged(app: Celery, node: str) -> bool:
    with suppress(OSError, RedisError, KombuError):
        return bool(app.control.ping(destination=[node], timeout=_ANSWER_SECONDS))
    return False


def _answer(port: int, path: str) -> tuple[int, bytes]:
    """The status and the body of what is answered there; (0, b"") where nothing is."""
    connection = HTTPConnection(LOOPBACK, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, HTTPException):
        return 0, b""
    finally:
        connection.close()
