import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from orchestrator.dev.processes.children import Child, Children
from orchestrator.errors import StackError
from tests.processes import wait_until

# Prints a line when its handlers are in place, then waits for ever.
_WAITING = "import signal\nprint('up', flush=True)\nsignal.pause()"
_STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + _WAITING
# A supervisor that starts one child, says its number, and waits to be killed.
_SUPERVISOR = """
import sys, signal
from pathlib import Path
from orchestrator.dev.processes.children import Children
children = Children()
children.logs = Path(sys.argv[1])
children.guard.tell(remove=sys.argv[1])
child = children.start("child", [sys.executable, "-c", sys.argv[2]])
print(child.pid, flush=True)
signal.pause()
"""


def _children(logs: Path) -> Children:
    children = Children()
    children.logs = logs
    return children


def _start(children: Children, code: str, name: str = "child") -> Child:
    child = children.start(name, [sys.executable, "-c", code])
    wait_until(child.log.read_text, what="the child's first line")
    return child


def _wait_for_the_end_of(processes: list[psutil.Process]) -> None:
    wait_until(lambda: not any(_runs(process) for process in processes), 5.0, f"the end of {processes}")


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_an_end_ends_every_process_with_its_own_children(tmp_path: Path) -> None:
    children = _children(tmp_path)
    spawning = (
        "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
    )
    child = _start(children, spawning + _STUBBORN)
    family = [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]
    assert len(family) == 2
    children.end()
    _wait_for_the_end_of(family)


def test_a_process_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    children = _children(tmp_path)
    child = _start(children, _STUBBORN)
    children.end()
    assert child.process.returncode == -signal.SIGKILL


def test_a_hurried_end_does_not_wait_for_anybody(tmp_path: Path) -> None:
    children = _children(tmp_path)
    slow = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: print('asked', flush=True))\n"
    child = _start(children, slow + "print('up', flush=True)\nwhile True: signal.pause()")
    children.end(hurried=lambda: "asked" in child.log.read_text())
    assert child.process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("code", [_WAITING, _STUBBORN])
def test_after_a_kill_of_the_supervisor_nothing_is_left(tmp_path: Path, code: str) -> None:
    folder = tmp_path / "stack"
    folder.mkdir()
    supervisor = subprocess.Popen(
        [sys.executable, "-c", _SUPERVISOR, str(folder), code], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    with supervisor.stdout as told:
        child = psutil.Process(int(told.readline()))
    wait_until((folder / "child.log").read_text, what="the child's first line")
    everything = [child, *psutil.Process(supervisor.pid).children(recursive=True)]
    supervisor.kill()
    supervisor.wait()
    _wait_for_the_end_of(everything)
    assert not folder.exists()


def test_without_its_guard_a_supervisor_notices_and_still_ends_everything(tmp_path: Path) -> None:
    children = _children(tmp_path)
    child = _start(children, _WAITING)
    os.kill(children.guard.pid, signal.SIGKILL)

    def noticed() -> bool:
        try:
            children.check()
        except StackError as error:
            return "guard" in str(error)
        return False

    wait_until(noticed, 5.0, "the supervisor's notice")
    children.end()
    assert child.has_ended()


def test_a_process_that_ended_is_named_with_its_last_lines(tmp_path: Path) -> None:
    children = _children(tmp_path)
    child = _start(children, "import sys\nprint('no more memory', flush=True)\nsys.exit(3)", name="redis")
    wait_until(child.has_ended, 5.0, "the child's end")
    with pytest.raises(
        StackError, match=r"redis ended with exit code 3; the last it said:\n  no more memory"
    ):
        children.check()
    children.end()


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    children = _children(tmp_path)
    child = children.start("redis", ["/nowhere/valkey-server"])
    wait_until(child.has_ended, 5.0, "the child's end")
    assert "/nowhere/valkey-server: No such file or directory" in child.ending()
    children.end()
