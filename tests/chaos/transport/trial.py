"""One run from its seed to its report."""

import sys
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from tests.chaos.transport import checker, evidence
from tests.chaos.transport.report import Report, report
from tests.chaos.transport.rig import Rig, rigged

PER_SECOND = 7.0
# How long the fleet may take to end its work when the faults are over.
QUIET_SECONDS = 120.0


def run(
    seed: int,
    messages: int,
    *,
    stock: bool = False,
    calm: bool = False,
    per_second: float = PER_SECOND,
    quiet_seconds: float = QUIET_SECONDS,
    keep: bool = False,
) -> Report:
    """Do one run, a calm one without faults; files are kept when there is something to look for in them."""
    folder = Path(mkdtemp(prefix="omninode-chaos-"))
    _tell(f"seed {seed}, {messages} messages, files in {folder}")
    with rigged(seed, messages, per_second, folder, _tell, stock=stock, calm=calm, make=Rig) as rig:
        rig.run(quiet_seconds)
        found = evidence.collect(rig)
        done = report(rig, found, checker.violations(found))
    if done.violations or keep:
        _tell(f"logs, ledgers and the broker's append-only file: {folder}")
    else:
        rmtree(folder)
    return done


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
