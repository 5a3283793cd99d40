"""Starts a stack that stays, finds the stacks that run, and stops them, from any process of the same user."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from orchestrator.dev import folder, state
from orchestrator.dev.processes import guard
from orchestrator.dev.report import Report, Step
from orchestrator.dev.state import State
from orchestrator.errors import StackError

WHO = "omninode stack start"
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.02


def start(directory: Path | None, report: Report) -> State:
    """Start a stack that outlives this process; returns when it is ready.

    Raises:
        StackError: a server did not start, with its last lines.
    """
    command = [sys.executable, "-m", "orchestrator.dev.keeper"] + (
        [str(directory.resolve())] if directory else []
    )
    keeper = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert keeper.stdout is not None  # noqa: S101 (a pipe was asked for)
    try:
        with keeper.stdout as lines:
            return _listen(lines, report)
    except BaseException:
        keeper.terminate()
        with suppress(subprocess.TimeoutExpired):
            keeper.wait(_STOP_SECONDS)
        raise


def find(directory: Path | None) -> list[State]:
    """The stack in this folder, or every stack of this user that runs."""
    if directory is None:
        return folder.find()
    known = state.read(directory)
    return [known] if known and state.is_locked(directory) else []


def stop(stack: State) -> None:
    """Stop a stack; returns when nothing of it is left.

    Raises:
        StackError: something of it is left after ten seconds.
    """
    if stack.is_orphaned:
        own = [pid for pid in stack.pids.values() if not stack.is_strange(pid)]
        guard.end([guard.Ward(pid, order=0, ask=signal.SIGTERM) for pid in own], lambda: False)
    elif stack.supervisor_lives:
        with suppress(ProcessLookupError):
            os.kill(stack.supervisor_pid, signal.SIGTERM)
    directory = Path(stack.directory)
    limit = time.monotonic() + _STOP_SECONDS
    while directory.exists() and state.is_locked(directory):
        if time.monotonic() > limit:
            raise StackError(f"processes of the stack in {directory} did not end: {stack.pids}")
        time.sleep(_POLL_SECONDS)


def _listen(lines: IO[str], report: Report) -> State:
    said = []
    for line in lines:
        message = _parse(line)
        if "state" in message:
            return State(**message["state"])
        if "error" in message:
            raise StackError(message["error"])
        if "step" in message:
            report(Step(**message["step"]))
        else:
            said.append(line)
    raise StackError(f"the stack ended before it was ready; it said:\n{''.join(said)}")


def _parse(line: str) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
