"""A process that has imported what commands import, and forks for each: a start costs a tenth of its time.

A command still has a process of its own, with its own environment, folder and streams.
Run as a script it serves the socket that is its standard input.
"""

import contextlib
import gc
import json
import os
import signal
import socket
import sys
import tempfile
import time

# Only what reads no environment while it is imported.
_IMPORTED = (
    "orchestrator.install",
    "orchestrator.cli.enqueue",
    "orchestrator.cli.queues",
    "orchestrator.cli.deadletters",
    "monitoring.cli.health",
    "tasks.cli.hooks",
)


def serve(commands: socket.socket) -> None:
    """Fork for each command that arrives, until whoever sends them has ended; the forks return and run it."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        received, streams, _, _ = socket.recv_fds(commands, 1, 4)
        if not received:
            os._exit(0)
        if os.fork() == 0:
            commands.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            break
        for stream in streams:
            os.close(stream)
    _attend(*streams)


def _attend(answers: int, *streams: int) -> None:
    """Fork once more, to say which process it is and how it has ended; the fork returns and runs it."""
    with socket.socket(fileno=answers) as caller:
        asked = json.loads(caller.makefile("rb").read())
        child = os.fork()
        if child:
            caller.sendall(f"{child}\n".encode())
            with contextlib.suppress(OSError):
                caller.sendall(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())
            os._exit(0)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    _become(**asked)


def _become(arguments: list[str], environment: dict[str, str], folder: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    time.tzset()
    tempfile.tempdir = None
    sys.argv = arguments
    sys.path[0] = os.path.dirname(arguments[0])  # noqa: PTH120 (a script's first place is a text)


if __name__ == "__main__":
    for _name in _IMPORTED:
        __import__(_name)
    gc.collect()
    gc.freeze()
    serve(socket.socket(fileno=os.dup(0)))

    from orchestrator.cli import main

    sys.exit(main())  # type: ignore[func-returns-value]
