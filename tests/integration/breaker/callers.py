"""Other processes that call breakers: each is told what to do, a line at a time, and answers with a line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from orchestrator.policy import Policy


class Caller:
    """One such process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def tell(self, do: str, name: str, **more: Any) -> None:
        """Have something done; what comes of it is read by `heard`."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"do": do, "name": name, **more}) + "\n")
        self.process.stdin.flush()

    def heard(self) -> Any:
        """The answer to the first question that has none yet."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, f"the process ended with {self.process.wait(5)}"
        return json.loads(line)

    def ask(self, do: str, name: str, **more: Any) -> Any:
        """Have something done, and say what comes of it."""
        self.tell(do, name, **more)
        return self.heard()

    def use(self, name: str, policy: Policy) -> None:
        """Make one call that ends well through the breaker."""
        assert self.ask("use", name, policy=policy.model_dump()) == {"ran": 1, "refused": 0}

    def end(self) -> None:
        """Let it end by itself."""
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait(10) == 0

    def kill(self) -> None:
        """End it as the system's killer of processes does."""
        self.process.kill()
        self.process.wait(5)


@contextmanager
def callers(count: int, port: int) -> Iterator[list[Caller]]:
    """Start so many on the Redis at `port`, and end them."""
    with ExitStack() as stack:
        processes = [stack.enter_context(_process(port)) for _ in range(count)]
        yield [Caller(process) for process in processes]


@contextmanager
def _process(port: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.breaker.calling"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"REDIS_URL": f"redis://127.0.0.1:{port}/0", "OMNINODE_LOG_FORMAT": "json"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(5)
        for stream in (process.stdin, process.stdout):
            if stream:
                with suppress(OSError):
                    stream.close()
