"""A process that has imported what commands and workers import, and forks for each: a start costs a tenth.

Each still has a process of its own, with its own environment, folder and streams.
Run as a script it serves the socket that is its standard input.
"""

import contextlib
import gc
import json
import os
import runpy
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
    "monitoring.rollup.process",
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
    # Ctrl-C is for those who ask and for what they have started.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        received, streams, _, _ = socket.recv_fds(starts, 1, 4)
        _reap()
        if not received:
            os._exit(0)
        if os.fork() == 0:
            starts.close()
            break
        for stream in streams:
            os.close(stream)
    _attend(*streams)


def _reap() -> None:
    # Rather than never: what they have used of the processor is counted so.
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


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


def _become(arguments: list[str], environment: dict[str, str], folder: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    time.tzset()
    tempfile.tempdir = None
    # As Python does: a module is looked for in the folder first, a script's modules beside it.
    sys.path.insert(0, folder if arguments[0] == "-m" else os.path.dirname(arguments[0]))  # noqa: PTH120 (a text)
    sys.argv = arguments


def _run() -> None:
    if sys.argv[0] == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        sys.exit()

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
