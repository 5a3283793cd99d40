"""A stack that stays when its starter has ended: `python -m orchestrator.dev.keeper [FOLDER]`.

Each line that it prints until then is a JSON object: a `step`, the `state` when it is ready, or an `error`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

from orchestrator.dev.processes.interrupts import Interrupted, Interrupts
from orchestrator.dev.report import Step
from orchestrator.dev.stack import start
from orchestrator.dev.stacks import WHO
from orchestrator.dev.supervisor import Supervisor, supervising
from orchestrator.errors import OmniNodeError

_POLL_SECONDS = 0.1


def _say(**message: object) -> None:
    # A starter that is gone leaves a broken pipe, and nobody wants the stack.
    print(json.dumps(message), flush=True)  # noqa: T201 (for its starter)


def _report(step: Step) -> None:
    _say(step=asdict(step))


def _keep(supervisor: Supervisor) -> None:
    start(supervisor)
    supervisor.note(ready=True)
    _say(state=asdict(supervisor.state))
    _leave_the_starter(supervisor.site.folder.logs / "keeper.log")
    while True:
        supervisor.site.children.check()
        time.sleep(_POLL_SECONDS)


def _leave_the_starter(log: Path) -> None:
    with log.open("ab") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())


def _main() -> None:
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    try:
        with Interrupts() as interrupts, supervising(directory, _report, WHO, interrupts) as supervisor:
            _keep(supervisor)
    except Interrupted:
        return
    except OmniNodeError as error:
        _say(error=str(error))
        sys.exit(1)


if __name__ == "__main__":
    _main()
