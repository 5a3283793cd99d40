"""A process that has imported what commands and workers import, and forks for each: a start costs a tenth.

Each still has a process of its own, with its own environment, folder and streams.
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

# Only what reads no environment while it is imported, and no shared task: every app would have it.
_IMPORTED = (
    "orchestrator.install",
    "orchestrator.cli.enqueue",
    "orchestrator.cli.queues",
    "orchestrator.cli.deadletters",
    "monitoring.cli.health",
    "tasks.cli.hooks",
    # What a worker needs. The last are the packages of our tasks' modules.
    "celery.bin.celery",
    "celery.apps.worker",
    "celery.fixups.django",
    "celery.worker.autoscale",
    "celery.worker.consumer.delayed_delivery",
    "celery.worker.strategy",
    "billiard.popen_fork",
    "billiard.synchronize",
    "orchestrator.task",
    "orchestrator.timeouts.watch",
    "orchestrator.transport.amqp",
    "orchestrator.replay.run",
    "orchestrator.worker.consumer",
    "orchestrator.worker.request",
    "yoyo.scripts.main",
    "httpx2",
    "wordllama",
)


def serve(starts: socket.socket) -> None:
    """Fork for each start that is asked for, until whoever asks has ended; the forks return and run it."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # Ctrl-C is for those who ask and for what they have started.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        received, streams, _, _ = socket.recv_fds(starts, 1, 4)
        if not received:
            os._exit(0)
        if os.fork() == 0:
            starts.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            break
        for stream in streams:
            os.close(stream)
    _attend(*streams)


def _attend(answers: int, *streams: int) -> None:
    """Fork once more, to say how that process has ended; the fork says which it is, returns and runs it."""
    with socket.socket(fileno=answers) as caller:
        asked = json.loads(caller.recv(1 << 20))
        child = os.fork()
        if child:
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            with contextlib.suppress(OSError):
                caller.send(str(code).encode())
            os._exit(0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if asked.pop("alone"):
            os.setsid()
        caller.send(str(os.getpid()).encode())
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    _become(**asked)


def _become(arguments: list[str], environment: dict[str, str], folder: str, path: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    time.tzset()
    tempfile.tempdir = None
    sys.argv = arguments
    sys.path.insert(0, path)


def _run() -> None:
    if os.path.basename(sys.argv[0]) == "celery":  # noqa: PTH119 (a command is a text)
        from celery.__main__ import main as celery  # noqa: PLC0415 (after the environment is set)

        celery()

    from orchestrator.cli import main  # noqa: PLC0415 (after the environment is set)

    sys.exit(main())  # type: ignore[func-returns-value]


if __name__ == "__main__":
    # Its own folder is the place of nobody's modules.
    del sys.path[0]
    for _name in _IMPORTED:
        __import__(_name)
    gc.collect()
    gc.freeze()
    serve(socket.socket(fileno=os.dup(0)))
    _run()
