"""The ledger of starts and finishes, in files that no fault touches: one a task id."""

import os
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """How often a task began and finished, and when it began first (Unix seconds)."""

    starts: int = 0
    finishes: int = 0
    first_start: float = 0.0


def begin(folder: Path, task_id: str) -> int:
    """Note a start; returns how many there have been."""
    _append(folder, task_id, "start")
    return of(folder, task_id).starts


def finish(folder: Path, task_id: str) -> None:
    """Note that the task's code came to its end."""
    _append(folder, task_id, "finish")


def of(folder: Path, task_id: str) -> Run:
    """What the ledger has on the task."""
    try:
        lines = (folder / "runs" / task_id).read_text().splitlines()
    except FileNotFoundError:
        return Run()
    starts = [line for line in lines if line.startswith("start")]
    return Run(
        len(starts), len(lines) - len(starts), min((float(line.split()[1]) for line in starts), default=0.0)
    )


def _append(folder: Path, task_id: str, what: str) -> None:
    descriptor = os.open(folder / "runs" / task_id, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, f"{what} {time.time():.6f} {os.getpid()}\n".encode())
    finally:
        os.close(descriptor)
