"""The processes that work on a stack's servers: how each is started and asked whether it is ready."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException

from celery import Celery
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from orchestrator.dev.ports import LOOPBACK
from orchestrator.dev.processes.children import CLIENT, Child
from orchestrator.dev.processes.steps import Steps
from orchestrator.dev.servers.serving import Site

WORKER, BEAT, FLOWER = "worker", "beat", "flower"
_ANSWER_SECONDS = 0.3
# They would lead the stack's processes away from its servers.
_FOREIGN = ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND")


def not_passed_on() -> list[str]:
    """The variables of the user's environment that the processes do not get."""
    return [name for name in _FOREIGN if name in os.environ]


def environment(addresses: Mapping[str, str]) -> dict[str, str]:
    """The user's environment, with the stack's servers in it, and logs for people unless told otherwise."""
    own = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    own.setdefault("OMNINODE_LOG_FORMAT", "console")
    return own | {"PYTHONUNBUFFERED": "1"} | dict(addresses)


def start_worker(site: Site, addresses: Mapping[str, str], concurrency: int) -> Steps[str]:
    """Start a worker for every queue; returns its node name when it answers Celery's ping."""
    node = f"worker-{secrets.token_hex(3)}@localhost"
    options = ["-E", "--concurrency", str(concurrency), "--hostname", node, "--loglevel", "info"]
    # It is alone: asking for neighbours would cost a second of every start.
    options.append("--without-mingle")
    # SIGTERM: finish what runs, which takes two seconds even where nothing does. SIGQUIT: put it back.
    child = _start(site, addresses, WORKER, *options, urge=signal.SIGQUIT, patience_seconds=2.4)
    app = Celery(broker=addresses["REDIS_URL"], set_as_current=False)
    try:
        yield from site.until_answering(child, lambda: _is_pinged(app, node))
    finally:
        app.close()
    return node


def start_beat(site: Site, addresses: Mapping[str, str]) -> Steps[str]:
    """Start beat, which remembers its schedule in the stack's folder; returns where, when it has begun."""
    schedule = site.data(BEAT) / "schedule"
    child = _start(site, addresses, BEAT, "--schedule", str(schedule), "--loglevel", "info")
    # Beat has nobody to ask: it says so when it begins.
    yield from site.until_answering(child, lambda: "beat: Starting" in child.log.read_text(errors="replace"))
    return str(schedule)


def start_flower(site: Site, addresses: Mapping[str, str]) -> Steps[str]:
    """Start Flower; returns its URL when it says that it is healthy."""
    return (yield from site.on_free_ports(FLOWER, 1, lambda ports: _start_flower(site, addresses, ports[0])))


def _start_flower(site: Site, addresses: Mapping[str, str], port: int) -> Steps[str]:
    child = _start(site, addresses, FLOWER, f"--address={LOOPBACK}", f"--port={port}")
    yield from site.until_answering(child, lambda: _is_healthy(port))
    return f"http://{LOOPBACK}:{port}"


def _start(
    site: Site,
    addresses: Mapping[str, str],
    name: str,
    *options: str,
    urge: signal.Signals | None = None,
    patience_seconds: float = 1.0,
) -> Child:
    return site.children.start(
        name,
        [sys.executable, "-m", "celery", "-A", "orchestrator", name, *options],
        order=CLIENT,
        urge=urge,
        patience_seconds=patience_seconds,
        environment=environment(addresses),
    )


def _is_pinged(app: Celery, node: str) -> bool:
    with suppress(OSError, RedisError, KombuError):
        return bool(app.control.ping(destination=[node], timeout=_ANSWER_SECONDS))
    return False


def _is_healthy(port: int) -> bool:
    connection = HTTPConnection(LOOPBACK, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/healthcheck")
        return connection.getresponse().read() == b"OK"
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
