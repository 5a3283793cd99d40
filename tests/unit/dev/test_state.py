import os
import subprocess
import sys
from pathlib import Path

from orchestrator.dev import state
from orchestrator.dev.processes import guard
from orchestrator.dev.state import State


def _state(directory: Path, **changes: object) -> State:
    fresh = State(
        "omninode dev", str(directory), kept=True, supervisor_pid=os.getpid(), guard_pid=os.getpid()
    )
    return fresh.with_(**changes)


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = _state(
        tmp_path, pids={"redis": 7}, addresses={"redis_url": "redis://127.0.0.1:1/0"}, ready=True
    )
    written.write()
    assert state.read(tmp_path) == written


def test_a_folder_without_a_stack_has_no_state(tmp_path: Path) -> None:
    assert state.read(tmp_path) is None


def test_a_state_of_another_version_is_no_state(tmp_path: Path) -> None:
    (tmp_path / state.STATE).write_text('{"colour": "blue"}')
    assert state.read(tmp_path) is None


def test_a_locked_folder_cannot_be_locked_again(tmp_path: Path) -> None:
    held = state.lock(tmp_path)
    assert held is not None
    assert state.lock(tmp_path) is None
    os.close(held)
    assert not state.is_locked(tmp_path)


def test_a_lock_lasts_until_the_last_process_that_holds_it_has_ended(tmp_path: Path) -> None:
    held = state.lock(tmp_path)
    assert held is not None
    holder = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[held])
    os.close(held)
    assert state.is_locked(tmp_path)
    holder.communicate(b"\n")
    assert not state.is_locked(tmp_path)


def test_a_stack_is_orphaned_when_supervisor_and_guard_are_gone(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    births = {str(os.getpid()): guard.born(os.getpid())}
    assert not _state(tmp_path, supervisor_pid=gone.pid, births=births).is_orphaned
    assert _state(tmp_path, supervisor_pid=gone.pid, guard_pid=gone.pid).is_orphaned
