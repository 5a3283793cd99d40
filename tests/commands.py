"""Runs `omninode` as a user does: as a process."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_OMNINODE = Path(sys.executable).parent / "omninode"


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str


def omninode(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    stdin: str = "",
    within_seconds: float = 60.0,
) -> Done:
    """Run the command to its end."""
    done = subprocess.run(
        [str(_OMNINODE), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=within_seconds,
        env=os.environ | dict(environment or {}),
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)
