import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.dev import stacks
from orchestrator.dev.processes import guard
from orchestrator.dev.state import State


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with any stack."""
    process = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    )
    yield process
    process.communicate(b"\n")


@pytest.mark.skipif(not guard.born(os.getpid()), reason="this system does not tell when a process began")
def test_a_stop_spares_processes_that_have_got_the_numbers_of_ended_ones(
    tmp_path: Path, bystander: subprocess.Popen[bytes]
) -> None:
    number = bystander.pid
    orphaned = State(
        "omninode dev",
        str(tmp_path),
        kept=True,
        supervisor_pid=number,
        guard_pid=number,
        pids={"redis": number},
        births={str(number): "7"},
    )

    stacks.stop(orphaned)

    assert orphaned.is_orphaned
    assert bystander.poll() is None
