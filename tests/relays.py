"""A real relay for tests: `omninode relay` as a process, with what it has logged."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.forked import Forked
from tests.processes import start_module, wait_until

READY = "relay_ready"


@dataclass(frozen=True)
class Relay:
    """A running `omninode relay --json`."""

    process: subprocess.Popen[bytes] | Forked
    log_file: Path

    def log(self) -> str:
        """Everything it has written so far."""
        return self.log_file.read_text(errors="replace")

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of its log that tell of this event."""
        told = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [line for line in told if line["event"] == name]

    def wait_for(self, name: str, times: int = 1, within_seconds: float = 20.0) -> None:
        """Wait until it has told of this event so often."""
        wait_until(lambda: self._is_told(name, times), within_seconds, f"{name} of the relay")

    def _is_told(self, name: str, times: int) -> bool:
        assert self.process.poll() is None, self.log()
        # The last line may be half-written.
        return self.log().count(f'"event": "{name}"') >= times


@contextmanager
def start_relay(
    environment: Mapping[str, str] | None = None, until: str = READY, options: Sequence[str] = ()
) -> Iterator[Relay]:
    """Start one, wait until it tells of this event, and end it afterwards."""
    with TemporaryDirectory(prefix="omninode-test-") as folder:
        log_file = Path(folder) / "relay.log"
        with log_file.open("wb") as log:
            process = start_module(
                "orchestrator.cli", "relay", "--json", *options, environment=dict(environment or {}), log=log
            )
        relay = Relay(process, log_file)
        try:
            relay.wait_for(until)
            yield relay
        finally:
            process.kill()
            process.wait(10)
