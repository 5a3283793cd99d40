"""Runs `omninode` as a user does: as a process."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from signal import SIGKILL
from tempfile import TemporaryFile
from threading import Thread
from typing import IO

_OMNINODE = Path(sys.executable).parent / "omninode"
_PREPARED = Path(__file__).parent / "prepared.py"
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
) -> Done:
    """Run the command to its end."""
    variables = os.environ | dict(environment or {})
    if arguments and arguments[0] not in _OF_THEIR_OWN and _of_python(variables) == _of_python(os.environ):
        return _run_prepared(arguments, variables, stdin, within_seconds)
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


def _of_python(variables: Mapping[str, str]) -> dict[str, str]:
    """What Python itself reads when it starts."""
    return {name: value for name, value in variables.items() if name.startswith("PYTHON")}


def _run_prepared(
    arguments: tuple[str, ...], environment: Mapping[str, str], stdin: str, within_seconds: float
) -> Done:
    """In a fork of the process that has the imports done."""
    asked = {
        "arguments": [str(_OMNINODE), *arguments],
        "environment": dict(environment),
        "folder": str(Path.cwd()),
    }
    readable, writable = os.pipe()
    ours, theirs = socket.socketpair()
    with TemporaryFile() as out, TemporaryFile() as err, ours:
        with theirs, os.fdopen(readable, "rb") as reads:
            streams = [each.fileno() for each in (theirs, reads, out, err)]
            commands, _ = _prepared(tuple(sorted(_of_python(os.environ).items())))
            socket.send_fds(commands, [b"."], streams)
        writer = Thread(target=_write, args=(writable, stdin), daemon=True)
        writer.start()
        ours.sendall(json.dumps(asked).encode())
        ours.shutdown(socket.SHUT_WR)
        code = _code(ours, arguments, within_seconds)
        writer.join()
        return Done(code, _read(out), _read(err))


def _code(answers: socket.socket, arguments: tuple[str, ...], within_seconds: float) -> int:
    lines = answers.makefile()
    process = int(lines.readline())
    answers.settimeout(within_seconds)
    try:
        return int(lines.readline())
    except TimeoutError:
        os.kill(process, SIGKILL)
        raise subprocess.TimeoutExpired(arguments, within_seconds) from None


def _write(pipe: int, text: str) -> None:
    # A command may end before it has read everything.
    with suppress(BrokenPipeError), os.fdopen(pipe, "w", encoding="utf-8") as stream:
        stream.write(text)


def _read(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="surrogateescape")


@cache
def _prepared(_python: tuple[tuple[str, str], ...]) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """The way to the process that forks, which ends when this one does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        return ours, subprocess.Popen([sys.executable, str(_PREPARED)], stdin=theirs.fileno())
