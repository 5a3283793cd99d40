"""The fenced blocks of a Markdown page, and a way to run them as a reader would."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.processes import wait_until

ROOT = Path(__file__).parent.parent
_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block: `sh`, `sh background` (runs until it is stopped) or `python`."""

    info: str
    body: str


def blocks(page: str) -> list[Block]:
    """All fenced blocks of a page of this repository, in their order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [Block(match["info"].strip(), match["body"]) for match in _FENCE.finditer(text)]


def run(block: Block, environment: Mapping[str, str], within_seconds: float = 200) -> str:
    """Run a shell or Python block to its end; fails with what it printed unless it exits with 0."""
    command = ["bash", "-euo", "pipefail", "-c", block.body]
    if block.info == "python":
        command = [str(ROOT / ".venv/bin/python"), "-c", block.body]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=within_seconds,
        check=False,
    )
    assert done.returncode == 0, f"{block.body}\nexited with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def running(command: str, environment: Mapping[str, str], log_file: Path, ready: str) -> Iterator[Path]:
    """Run a shell command in the background: from the moment it has printed `ready` until the block's end."""
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", f"exec env {command}"],
            cwd=ROOT,
            env=os.environ | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until(lambda: _is_ready(process, log_file, ready), 90, f"{command}: {ready!r}")
        yield log_file
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(5)


def _is_ready(process: subprocess.Popen[bytes], log_file: Path, ready: str) -> bool:
    printed = log_file.read_text(errors="replace")
    assert process.poll() is None, printed
    return ready in printed
