"""Runs `omninode` as a user does: as a process."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from threading import Thread
from typing import IO

from tests import forked

_OMNINODE = Path(sys.executable).parent / "omninode"
# What starts servers is about processes and their parents. The others only begin, work and end.
_OF_THEIR_OWN = {"demo", "dev", "relay", "stack"}


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
    starts_nothing: bool = False,
) -> Done:
    """Run the command to its end; `starts_nothing`: this time it only says something, whatever it is else."""
    variables = os.environ | dict(environment or {})
    is_forked = starts_nothing or (bool(arguments) and arguments[0] not in _OF_THEIR_OWN)
    if is_forked and forked.is_possible(variables):
        return _run_forked(arguments, variables, stdin, within_seconds)
    done = subprocess.run(
        [str(_OMNINODE), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=within_seconds,
        env=variables,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def _run_forked(
    arguments: tuple[str, ...], environment: Mapping[str, str], stdin: str, within_seconds: float
) -> Done:
    readable, writable = os.pipe()
    with TemporaryFile() as out, TemporaryFile() as err:
        with os.fdopen(readable, "rb") as reads:
            streams = (reads.fileno(), out.fileno(), err.fileno())
            command = [str(_OMNINODE), *arguments]
            process = forked.start(command, environment, streams)
        writer = Thread(target=_write, args=(writable, stdin), daemon=True)
        writer.start()
        try:
            code = process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
            raise
        writer.join()
        return Done(code, _read(out), _read(err))


def _write(pipe: int, text: str) -> None:
    # A command may end before it has read everything.
    with suppress(BrokenPipeError), os.fdopen(pipe, "w", encoding="utf-8") as stream:
        stream.write(text)


def _read(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="surrogateescape")
